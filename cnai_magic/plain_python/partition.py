"""Asks for the rows of one partition, in a worker of an engine that runs on many machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from ..chat.answers import Answers
from ..chat.formatters.table_reading import is_data_frame
from ..chat.schemas import find_schema
from ..errors import InputError
from ..session.batches.row_sources import read_rows
from ..session.kernel_session import KernelSession
from ..settings import Cnai
from .added_columns import add_columns
from .options import NO_OPTIONS, read_options
from .rows import ask_rows

__all__ = ["map_partition"]

_Partition = TypeVar("_Partition")


def map_partition(
    partition: _Partition,
    template: str | None = None,
    *,
    model: str | None = None,
    system: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] | None = None,
    seed: int | None = None,
    think: str | int | None = None,
    extra: Mapping[str, Any] | None = None,
    schema: object = None,
    parallel: int | None = None,
    max_cost: float | str | None = None,
    base_url: str | None = None,
    job: str = "map_partition",
) -> _Partition:
    """Ask the same thing of each row of a partition, and return the partition with the answers.

    It is for the workers of Dask, Ray Data and Spark: a function without state, whose settings and key are
    those of the worker's environment (`CNAI_BASE_URL`, `CNAI_API_KEY`, …). `partition` is a DataFrame of
    pandas or polars, a table of Arrow, a dict of columns, a list of rows, or an iterator of tables, as Spark
    gives it; the same kind is returned, lists as dicts, with the columns `answer`, the fields of the
    `schema`, `tokens`, `cost` (USD) and `error`. Of an empty table it returns the columns, and asks nothing.

        ddf.map_partitions(map_partition, template, meta=map_partition(ddf._meta, template))
        bag.map_partitions(map_partition, template)
        dataset.map_batches(map_partition, fn_kwargs={"template": template}, batch_format="pandas")
        df.mapInPandas(partial(map_partition, template=template), "…, answer string, tokens long, …")

    Arguments are those of `Session.map`, and the server to be asked. What fails is the `error` of its row,
    and so is a budget that is used up: `max_cost` limits each partition, the budget of the day all workers
    that share a ledger (`CNAI_LEDGER`, a file that all of them see), and the gateway's limit of a key any
    others. Answers are kept beside the ledger under the name of the `job`: a task that runs again asks only
    for what is missing, and equal rows are asked once. Raises InputError for rows or a template that cannot
    be used.
    """
    arguments = locals()
    del arguments["partition"]
    if isinstance(partition, Iterator):
        first = next(partition, None)
        if is_data_frame(first):
            tables = chain([first], partition)
            return (_ask_partition(table, arguments) for table in tables)  # type: ignore[return-value]
        partition = [] if first is None else [first, *partition]  # type: ignore[assignment]
    asked: _Partition = _ask_partition(partition, arguments)
    return asked


def _ask_partition(partition: Any, arguments: Mapping[str, Any]) -> Any:
    """Ask for the rows of one table or list, with the arguments of `map_partition`."""
    base_url, schema = arguments["base_url"], arguments["schema"]
    kernel = KernelSession(Cnai(**({} if base_url is None else {"base_url": base_url})))
    kernel.notebook = arguments["job"]
    try:
        options = read_options({**NO_OPTIONS, **arguments}, kernel.settings)
        rows = read_rows(partition) if _has_rows(partition) else []
        answers = Answers([])
        if rows:
            template, parallel, max_cost = (arguments[each] for each in ("template", "parallel", "max_cost"))
            answers = ask_rows(
                kernel, rows, template, options, parallel, max_cost, fresh=False, progress=False
            )
    finally:
        kernel.close()
    fields = {} if schema is None else find_schema(schema).get("properties", {})
    return add_columns(partition, answers, fields)


def _has_rows(partition: Any) -> bool:
    """Return whether a partition has rows; raises InputError for a dict that is none of columns."""
    if not isinstance(partition, Mapping):
        return not hasattr(partition, "__len__") or len(partition) > 0
    lengths = {
        -1 if isinstance(each, str) or not hasattr(each, "__len__") else len(each)
        for each in partition.values()
    }
    if len(lengths) > 1 or -1 in lengths:
        raise InputError(
            "the partition is a dict, and its values are not columns of one length",
            parameter="partition",
            next_step="give a table, a dict of columns or a list of rows",
        )
    return lengths not in (set(), {0})
