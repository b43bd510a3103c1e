"""The n-grams of one text and label: what the filters won through the same tokens, added up and split among them.

Shapes: `T` tokens, `F` filters of all widths, `G` n-grams, `S` tokens of all n-grams.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .jit import kernel
from .kernels import COLUMN, FEATURE_AT, FILTERS, SLICE_BYTES, WIDTH


@kernel(allocates=True)
def merge_ngrams(
    rows, table, plan, dilation, hole, scale, features, without, sums, start, first, last, weight
):  # fmt: skip
    """Adds up what filters contribute through the same n-gram.

    Args:
        rows: [T] rows of the table, `hole` for padding.
        table, plan, dilation, hole, scale: Of the folded model.
        features, without, sums, start, first, last: [F] of the text, as in `Winners`.
        weight: [F] float64, the head's weights of the label.

    Returns:
        ends: [G, 2] first and last token, in the order of the text.
        weights: [G] float64, what each adds to the logit.
        losses: [G] float64, how much less that is with the next best windows.
        filters, filter_begins: Filters of n-gram g: filters[filter_begins[g]:filter_begins[g + 1]].
        shares, share_begins: Parts of n-gram g's weight of its tokens, `dilation` apart; they add up to it, and
            are NaN where the token is padding.
    """
    tokens = rows.size
    features_count = features.size
    # First token, last token and filter as one number, which sorts by all three.
    keys = np.empty(features_count, np.int64)
    used = 0
    for f in range(features_count):
        if first[f] >= 0 and weight[f] != 0 and (features[f] != 0 or without[f] != 0):
            keys[used] = (np.int64(first[f]) * tokens + last[f]) * features_count + f
            used += 1
    keys = np.sort(keys[:used])
    filters = keys % features_count
    count = 0
    for k in range(used):
        if k == 0 or keys[k] // features_count != keys[k - 1] // features_count:
            count += 1
    ends = np.empty((count, 2), np.int64)
    weights = np.zeros(count, np.float64)
    losses = np.zeros(count, np.float64)
    filter_begins = np.zeros(count + 1, np.int64)
    share_begins = np.zeros(count + 1, np.int64)
    g = -1
    for k in range(used):
        f = filters[k]
        if k == 0 or keys[k] // features_count != keys[k - 1] // features_count:
            g += 1
            ends[g, 0], ends[g, 1] = first[f], last[f]
            share_begins[g + 1] = share_begins[g] + (last[f] - first[f]) // dilation + 1
        filter_begins[g + 1] = k + 1
        weights[g] += weight[f] * features[f]
        losses[g] += weight[f] * (np.float64(features[f]) - without[f])
    shares = np.zeros(share_begins[count], np.float64)
    for g in range(count):
        for k in range(share_begins[g], share_begins[g + 1]):
            if rows[ends[g, 0] + (k - share_begins[g]) * dilation] == hole:
                shares[k] = np.nan
    terms = np.empty(plan[:, WIDTH].max(), np.float64)
    width_of = np.empty(features_count, np.int64)
    for i in range(plan.shape[0]):
        width_of[plan[i, FEATURE_AT] : plan[i, FEATURE_AT] + plan[i, FILTERS]] = i
    for g in range(count):
        for k in range(filter_begins[g], filter_begins[g + 1]):
            f = filters[k]
            i = width_of[f]
            columns = plan[i, SLICE_BYTES] // table.itemsize
            column = plan[i, COLUMN] // table.itemsize + f - plan[i, FEATURE_AT]
            real = 0
            sum_of_terms = 0.0
            for j in range(plan[i, WIDTH]):
                place = start[f] + j * dilation
                terms[j] = np.nan
                if 0 <= place < tokens and rows[place] != hole:
                    terms[j] = np.float64(table[rows[place], column + j * columns]) * scale[f]
                    sum_of_terms += terms[j]
                    real += 1
            # The filter's own bias is no token's: each has an equal part of it.
            own = (sums[f] - sum_of_terms) / max(1, real)
            total = weight[f] * features[f]
            whole = 0.0
            for j in range(plan[i, WIDTH]):
                if not np.isnan(terms[j]):
                    whole += terms[j] + own
            at = share_begins[g] - (ends[g, 0] - start[f]) // dilation
            for j in range(plan[i, WIDTH]):
                if not np.isnan(terms[j]):
                    shares[at + j] += (terms[j] + own) * (total / whole) if whole != 0 else total / real
    return ends, weights, losses, filters, filter_begins, shares, share_begins
