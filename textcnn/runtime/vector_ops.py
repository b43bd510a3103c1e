"""The one hot loop of the runtime, written as vector instructions: add the rows of a window, keep the maximum.

The filters are cut into blocks that fit the registers, and a block goes over all windows of a stretch of text with
its maxima in registers: memory is only read, and nothing is set up per window but the addresses of its rows. LLVM
does not find that form from numba source (the arrays may overlap, the trip counts are not known), so it is given
vectors. A token's row is read once and never again soon, so the loop also asks for the row of a later window while
it adds the present ones.

Shapes: `V` vocabulary, `F` filters of one width, `W` width.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import config
from numba.extending import intrinsic

from .layout import LANES

# Windows between the one being added and the one being fetched. Row buffers hold this many spare entries.
PREFETCH_DISTANCE = 8
# Widths that get straight-line code; wider ones run a loop over the window's rows.
UNROLLED_WIDTHS = 8

# Vectors of a block: their maxima, and what is added to them, stay in the 16 registers of most present CPUs.
_BLOCKS = (7, 4, 2, 1)
_LINE = 64  # bytes of a cache line

_INDEX = ir.IntType(64)
_BYTE = ir.IntType(8)
_FLAG = ir.IntType(32)


def has_wide_vectors() -> bool:
    """Whether code is made for a CPU that adds and compares 64 single bytes at a time (AVX-512BW)."""
    features: str = config.CPU_FEATURES  # type: ignore[attr-defined]
    return "+avx512bw" in (get_host_cpu_features().flatten() if features is None else features)


class _Element:
    """How one kind of table is loaded, added and compared.

    Args:
        is_int8: The type of the table.
        wide: Vectors of 64 bytes instead of 32.
        blocks: Numbers of vectors that a block may have.
    """

    def __init__(self, is_int8: bool, wide: bool, blocks: tuple[int, ...]) -> None:
        self.is_int8 = is_int8
        self.type = _BYTE if is_int8 else ir.FloatType()
        self.size = 1 if is_int8 else 4
        self.lanes = LANES["int8" if is_int8 else "float32"] * (2 if wide else 1)
        self.wide = wide
        self.blocks = blocks

    def load(self, builder: ir.IRBuilder, address: ir.Value, lanes: int) -> ir.Value:
        vector = builder.load(builder.inttoptr(address, ir.VectorType(self.type, lanes).as_pointer()))
        vector.align = 1
        return vector

    def add(self, builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        if not self.is_int8:
            return builder.fadd(left, right)
        # A sum beyond the range stays at its end instead of coming out at the other.
        kind = ir.FunctionType(left.type, [left.type, left.type])
        name = f"llvm.sadd.sat.v{left.type.count}i8"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(function, [left, right])

    def maximum(self, builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        compare = builder.icmp_signed if self.is_int8 else builder.fcmp_ordered
        return builder.select(compare(">", left, right), left, right)

    def sums_at(self, builder: ir.IRBuilder, maxima: ir.Value, index: ir.Value, lanes: int) -> ir.Value:
        """Pointer to the maxima of `lanes` filters, the first of which is `index`."""
        address = builder.add(maxima, builder.mul(index, _INDEX(self.size)))
        return builder.inttoptr(address, ir.VectorType(self.type, lanes).as_pointer())


def _prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _FLAG, _FLAG, _FLAG])
    name = "llvm.prefetch.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    # A read, to be kept in every cache level, of data.
    builder.call(function, [builder.inttoptr(address, _BYTE.as_pointer()), _FLAG(0), _FLAG(3), _FLAG(1)])


class _Operands:
    def __init__(self, values: tuple[ir.Value, ...]) -> None:
        self.table, self.rows, self.maxima, self.start, self.count, self.stride, self.dilation = values[:7]
        self.width, self.column, self.slice_bytes, self.filters = values[7:]

    def row(self, builder: ir.IRBuilder, position: ir.Value) -> ir.Value:
        """Address of the terms that the token at a position has for this width: table + rows[position] + column."""
        entry = builder.add(self.rows, builder.mul(position, _INDEX(8)))
        row = builder.load(builder.inttoptr(entry, _INDEX.as_pointer()))
        return builder.add(builder.add(self.table, self.column), row)


def _emit(builder: ir.IRBuilder, operands: _Operands, is_int8: bool) -> None:
    """The code for the widest vectors that the filters fill."""
    if not has_wide_vectors():
        _emit_blocks(builder, operands, _Element(is_int8, False, _BLOCKS))
        return
    wide = _Element(is_int8, True, _BLOCKS)
    fills_wide = builder.icmp_signed(">=", operands.filters, _INDEX(wide.lanes))
    with builder.if_else(fills_wide) as (many, few):
        with many:
            _emit_blocks(builder, operands, wide)
        with few:
            # Fewer filters than that are at most two of the other vectors.
            _emit_blocks(builder, operands, _Element(is_int8, False, _BLOCKS[-2:]))


def _emit_blocks(builder: ir.IRBuilder, operands: _Operands, element: _Element) -> None:
    """for each block of filters: go to the code for its number of vectors and the width."""
    lanes = element.lanes
    # The last vector starts so that it ends with the last filter, and may compute some filters a second time. Few
    # filters are padded to half a vector or a whole one.
    vectors = builder.sdiv(builder.add(operands.filters, _INDEX(lanes - 1)), _INDEX(lanes))
    narrow = builder.icmp_signed("<", operands.filters, _INDEX(lanes))
    entry = builder.block
    head, inside, done = (builder.append_basic_block(name) for name in ("blocks", "block", "blocks_done"))
    after = builder.append_basic_block("block_after")
    builder.branch(head)
    builder.position_at_end(head)
    first = builder.phi(_INDEX)  # vector that the block starts with
    first.add_incoming(_INDEX(0), entry)
    builder.cbranch(builder.icmp_signed("<", first, vectors), inside, done)

    builder.position_at_end(inside)
    left = builder.sub(vectors, first)
    count = _INDEX(1)
    for size in reversed(element.blocks[1:-1]):
        count = builder.select(builder.icmp_signed(">=", left, _INDEX(size)), _INDEX(size), count)
    # With filters for a whole block, the last one starts so that it ends with them, as the last vector does.
    most = _INDEX(element.blocks[0])
    count = builder.select(builder.icmp_signed(">=", vectors, most), most, count)
    start = builder.select(builder.icmp_signed("<", left, count), builder.sub(vectors, count), first)
    index = builder.mul(start, _INDEX(lanes))
    last = builder.sub(operands.filters, _INDEX(lanes))
    wanted = builder.mul(builder.sub(builder.add(start, count), _INDEX(1)), _INDEX(lanes))
    last = builder.select(builder.icmp_signed("<", wanted, last), wanted, last)
    size = builder.select(narrow, _INDEX(0), count)
    wide = builder.append_basic_block("wide")
    by_width = builder.switch(operands.width, wide)
    for width in range(1, UNROLLED_WIDTHS + 1):
        chosen = builder.append_basic_block(f"width{width}")
        by_width.add_case(_INDEX(width), chosen)
        builder.position_at_end(chosen)
        _emit_sizes(builder, operands, element, width, size, index, last, after)
    builder.position_at_end(wide)
    _emit_sizes(builder, operands, element, None, size, index, last, after)

    builder.position_at_end(after)
    first.add_incoming(builder.add(first, count), after)
    builder.branch(head)
    builder.position_at_end(done)


def _emit_sizes(
    builder: ir.IRBuilder, operands: _Operands, element: _Element, width: int | None, size: ir.Value,
    index: ir.Value, last: ir.Value, after: ir.Block,
) -> None:  # fmt: skip
    """The code of one width for each number of vectors; 0 is half a vector."""
    impossible = builder.append_basic_block("impossible")
    by_size = builder.switch(size, impossible)
    for vectors in element.blocks if element.wide else (*element.blocks, 0):
        chosen = builder.append_basic_block(f"vectors{vectors}")
        by_size.add_case(_INDEX(vectors), chosen)
        builder.position_at_end(chosen)
        lanes = element.lanes if vectors else element.lanes // 2
        starts = [builder.add(index, _INDEX(v * lanes)) for v in range(vectors - 1)]
        _emit_windows(builder, operands, element, width, lanes, [*starts, last if vectors else index])
        builder.branch(after)
    builder.position_at_end(impossible)
    builder.unreachable()


def _emit_windows(
    builder: ir.IRBuilder, operands: _Operands, element: _Element, width: int | None, lanes: int,
    filters: list[ir.Value],
) -> None:  # fmt: skip
    """maxima of some vectors = the maximum with the sums of all windows; `filters` are the vectors' first filters."""
    pointers = [element.sums_at(builder, operands.maxima, index, lanes) for index in filters]
    shifts = [builder.mul(index, _INDEX(element.size)) for index in filters]

    def sums(position: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
        if width is None:
            totals = _add_rows(builder, operands, element, lanes, position, shifts)
        else:
            rows = [
                builder.add(
                    operands.row(builder, builder.add(position, builder.mul(operands.dilation, _INDEX(j)))),
                    builder.mul(operands.slice_bytes, _INDEX(j)),
                )
                for j in range(width)
            ]
            later = builder.add(position, builder.mul(operands.dilation, _INDEX(width - 1)))
            later_row = operands.row(builder, builder.add(later, _INDEX(PREFETCH_DISTANCE)))
            totals = []
            bytes_read = len(filters) * lanes * element.size
            for j in range(width):
                slice_at = builder.add(builder.add(later_row, shifts[0]), builder.mul(operands.slice_bytes, _INDEX(j)))
                for line in range(0, bytes_read, _LINE):
                    _prefetch(builder, builder.add(slice_at, _INDEX(line)))
            for shift in shifts:
                total = element.load(builder, builder.add(rows[0], shift), lanes)
                for row in rows[1:]:
                    total = element.add(builder, total, element.load(builder, builder.add(row, shift), lanes))
                totals.append(total)
        return [element.maximum(builder, total, old) for total, old in zip(totals, best, strict=True)]

    start = []
    for pointer in pointers:
        start.append(builder.load(pointer))
        start[-1].align = element.size
    best = _emit_loop(builder, operands, start, sums)
    for pointer, value in zip(pointers, best, strict=True):
        builder.store(value, pointer).align = element.size


def _emit_loop(builder: ir.IRBuilder, operands: _Operands, values: list[ir.Value], body: Any) -> list[ir.Value]:
    """position = start; repeat count times: values = body(position, values), position += stride; returns values."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("windows", "window", "windows_done"))
    builder.branch(head)
    builder.position_at_end(head)
    done, position = builder.phi(_INDEX), builder.phi(_INDEX)
    current = [builder.phi(value.type) for value in values]
    done.add_incoming(_INDEX(0), before)
    position.add_incoming(operands.start, before)
    for phi, value in zip(current, values, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", done, operands.count), inside, after)
    builder.position_at_end(inside)
    updated = body(position, current)
    done.add_incoming(builder.add(done, _INDEX(1)), builder.block)
    position.add_incoming(builder.add(position, operands.stride), builder.block)
    for phi, value in zip(current, updated, strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return current


def _add_rows(
    builder: ir.IRBuilder, operands: _Operands, element: _Element, lanes: int, position: ir.Value,
    shifts: list[ir.Value],
) -> list[ir.Value]:  # fmt: skip
    """The sums of a window of any width, in a loop over its rows."""

    def row_at(j: ir.Value) -> ir.Value:
        row = operands.row(builder, builder.add(position, builder.mul(operands.dilation, j)))
        return builder.add(row, builder.mul(operands.slice_bytes, j))

    first = row_at(_INDEX(0))
    start = [element.load(builder, builder.add(first, shift), lanes) for shift in shifts]
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("rows", "row", "rows_done"))
    builder.branch(head)
    builder.position_at_end(head)
    j = builder.phi(_INDEX)
    totals = [builder.phi(value.type) for value in start]
    j.add_incoming(_INDEX(1), before)
    for phi, value in zip(totals, start, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", j, operands.width), inside, after)
    builder.position_at_end(inside)
    row = row_at(j)
    for phi, shift in zip(totals, shifts, strict=True):
        phi.add_incoming(element.add(builder, phi, element.load(builder, builder.add(row, shift), lanes)), inside)
    j.add_incoming(builder.add(j, _INDEX(1)), inside)
    builder.branch(head)
    builder.position_at_end(after)
    return totals


@intrinsic
def window_max(  # type: ignore[no-untyped-def]
    typing_context, least, table, rows, maxima, start, count, stride, dilation, width, column, slice_bytes, filters
):
    """For `count` windows at start, start + stride, ...: maxima[f] = max(maxima[f], sum over j of
    table[rows[window + j * dilation], column + j, f]).

    `least` says by its type what the table holds, int8 or float32. All other arguments are integers. `table`, `rows`
    (int64 byte offsets into the table) and `maxima` (of the table's type) are addresses; `column` is the byte at which
    this width starts in a row; `slice_bytes` the bytes of one offset's filters; `filters` a multiple of half a vector.
    """
    signature = types.void(least, *([types.int64] * 11))

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        _emit(builder, _Operands(values[1:]), signature.args[0] == types.int8)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def least_of(typing_context, table):  # type: ignore[no-untyped-def]
    """The least value that a table's type holds, as a value of that type."""
    dtype = table.dtype

    def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return context.get_constant(dtype, -128 if dtype == types.int8 else float("-inf"))

    return dtype(table), generate
