"""Labels with Ray Data (https://docs.ray.io/en/latest/data/data.html): a pool of actors, each with a scorer."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from ..errors import MissingPackage
from .scorer import Models, Scorer
from .shards import Shard, ShardResult, as_json, score_shard

try:
    import ray.data
except ImportError:
    raise MissingPackage("Ray Data", "ray[data]") from None


class ScoringActor:
    """An actor of Ray Data: opens the models once and adds their columns to each batch."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, batch: Any) -> Any:
        """Return an arrow table with the columns of the answers."""
        return self._scorer(batch)


def score_dataset(
    dataset: ray.data.Dataset, models: Models, *, processes: int | None = None, batch_size: int = 4096, **settings: Any
) -> ray.data.Dataset:
    """Return a dataset of Ray Data with predicted_label, probability and probability_<label>, computed by actors.

    An actor that dies is started again and its batch repeated: no row is lost and none comes twice.

    Args:
        dataset: The rows, with a column of texts.
        models: As in `Scorer`.
        processes: Number of actors. Default: one for each core of the cluster.
        batch_size: Rows of a batch.
        settings: Further settings of `Scorer`.

    Example:
        >>> score_dataset(ray.data.read_parquet("s3://crawl/"), "runs/docs", label_only=True).write_parquet("s3://out/")
    """
    scorer = Scorer(models, **settings)
    return dataset.map_batches(
        ScoringActor,
        fn_constructor_args=[scorer],
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=actor_pool(processes),
        num_cpus=1,
    )


class ShardActor:
    """An actor of Ray Data that writes whole shards."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write the shards of a batch; return their outcomes as JSON."""
        shards = [Shard(**json.loads(text)) for text in batch["shard"]]
        return {"result": [json.dumps(as_json(score_shard(shard))) for shard in shards]}


def score_shards_on_ray(shards: Sequence[Shard], processes: int | None = None) -> list[ShardResult]:
    """Write shards with actors of Ray Data, on every machine of the cluster that sees the files and the model.

    A shard whose actor or machine dies is written again by another one. Files are read and written by the readers and
    writers of `textcnn score`, so that the output is the same as that of one process.

    Args:
        shards: Shards to label.
        processes: Number of actors. Default: one for each core of the cluster.

    Returns:
        The outcome of each shard, in the order of `shards`.
    """
    if not shards:
        return []
    pool = actor_pool(None if processes is None else min(processes, len(shards)))
    # The outcomes say what went wrong.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"shard": json.dumps(as_json(shard))} for shard in shards]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    done = dataset.map_batches(ShardActor, batch_size=1, batch_format="numpy", compute=pool, num_cpus=1)
    results = [ShardResult(**json.loads(row["result"])) for row in done.take_all()]
    order = {shard.input: place for place, shard in enumerate(shards)}
    return sorted(results, key=lambda result: order[result.input])


def actor_pool(processes: int | None) -> Any:
    """Return the strategy of Ray Data for a number of actors; for None, one for each core of the cluster."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    return ray.data.ActorPoolStrategy(size=processes or max(1, int(ray.cluster_resources().get("CPU", 1))))
