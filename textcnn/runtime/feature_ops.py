"""Maxima to features, written as vector instructions: scale, bias and the activation's floor.

LLVM does not find that form from numba source, because the arrays may overlap. Without it the features of a short text
take as long as its windows.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_INDEX = ir.IntType(64)
_FLOAT = ir.FloatType()
# Features that are made of maxima at a time.
_FEATURES = 16


@intrinsic
def scale_maxima(  # type: ignore[no-untyped-def]
    typing_context, least, maxima, scale, bias, features, count, floor
):
    """features[f] = max(floor, maxima[f] * scale[f] + bias[f]) for `count` filters.

    `least` says by its type what the maxima are, int8 or float32; `floor` is a float32, the others are addresses.
    """
    signature = types.void(least, *([types.int64] * 5), types.float32)

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        _emit_features(builder, signature.args[0] == types.int8, values[1:])
        return context.get_dummy_value()

    return signature, generate


def _emit_features(builder: ir.IRBuilder, is_int8: bool, values: tuple[ir.Value, ...]) -> None:
    kind, size = (ir.IntType(8), 1) if is_int8 else (_FLOAT, 4)
    maxima, scale, bias, features, count, floor = values

    def some(index: ir.Value, lanes: int) -> None:
        def at(address: ir.Value, kind: ir.Type, size: int) -> ir.Value:
            address = builder.add(address, builder.mul(index, _INDEX(size)))
            return builder.inttoptr(address, ir.VectorType(kind, lanes).as_pointer())

        def load(address: ir.Value, kind: ir.Type, size: int) -> ir.Value:
            vector = builder.load(at(address, kind, size))
            vector.align = 1
            return vector

        floats = ir.VectorType(_FLOAT, lanes)
        value = load(maxima, kind, size)
        if is_int8:
            value = builder.sitofp(value, floats)
        scales, biases = load(scale, _FLOAT, 4), load(bias, _FLOAT, 4)
        value = builder.fadd(builder.fmul(value, scales), biases)
        floors = ir.Constant(floats, ir.Undefined)
        for lane in range(lanes):
            floors = builder.insert_element(floors, floor, ir.IntType(32)(lane))
        value = builder.select(builder.fcmp_unordered(">", value, floors), value, floors)
        builder.store(value, at(features, _FLOAT, 4)).align = 1

    def each(start: ir.Value, lanes: int) -> None:
        """for index in range(start, count, lanes); the last vector ends with the last feature."""
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("features", "feature", "features_done"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(_INDEX)
        index.add_incoming(start, before)
        builder.cbranch(builder.icmp_signed("<", index, count), inside, after)
        builder.position_at_end(inside)
        last = builder.sub(count, _INDEX(lanes))
        some(builder.select(builder.icmp_signed("<", last, index), last, index), lanes)
        index.add_incoming(builder.add(index, _INDEX(lanes)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    with builder.if_else(builder.icmp_signed(">=", count, _INDEX(_FEATURES))) as (many, few):
        with many:
            each(_INDEX(0), _FEATURES)
        with few:
            each(_INDEX(0), 1)
