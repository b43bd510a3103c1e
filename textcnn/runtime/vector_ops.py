"""The one hot loop of the runtime, written as vector instructions: add the rows of a window, keep the maximum.

LLVM does not vectorise this loop reliably from numba source (the arrays may overlap, the trip counts are not
known), so it is given vectors: that is three times as fast for int8. A token's row is read once and never again
soon, so the loop also asks for the rows of a later window while it adds the present ones: twice as fast for
tables that are larger than the cache.

Shapes: `V` vocabulary, `F` filters of one width, `W` width.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# Windows between the one being added and the one being fetched. Row buffers hold this many spare entries.
PREFETCH_DISTANCE = 3
# Widths that get straight-line code; wider ones run a loop over the window's rows.
UNROLLED_WIDTHS = 8

_INDEX = ir.IntType(64)
_BYTE = ir.IntType(8)
_FLAG = ir.IntType(32)


class _Element:
    """How one kind of table is loaded, added and compared."""

    def __init__(self, is_int8: bool) -> None:
        self.is_int8 = is_int8
        self.stored = _BYTE if is_int8 else ir.FloatType()
        self.summed = ir.IntType(16) if is_int8 else ir.FloatType()
        self.stored_size, self.summed_size = (1, 2) if is_int8 else (4, 4)
        # 32 bytes of sums fill a register of most present CPUs; two of them make a block.
        self.lanes = 16 if is_int8 else 8

    def load(self, builder: ir.IRBuilder, address: ir.Value, lanes: int) -> ir.Value:
        pointer = builder.inttoptr(address, ir.VectorType(self.stored, lanes).as_pointer())
        vector = builder.load(pointer)
        vector.align = 1
        return builder.sext(vector, ir.VectorType(self.summed, lanes)) if self.is_int8 else vector

    def add(self, builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        return builder.add(left, right) if self.is_int8 else builder.fadd(left, right)

    def keep_maximum(self, builder: ir.IRBuilder, address: ir.Value, sums: ir.Value) -> None:
        pointer = builder.inttoptr(address, sums.type.as_pointer())
        best = builder.load(pointer)
        best.align = self.summed_size
        compare = builder.icmp_signed if self.is_int8 else builder.fcmp_ordered
        larger = compare(">", sums, best)
        builder.store(builder.select(larger, sums, best), pointer).align = self.summed_size


def _prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _FLAG, _FLAG, _FLAG])
    name = "llvm.prefetch.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    # A read, to be kept in every cache level, of data.
    builder.call(function, [builder.inttoptr(address, _BYTE.as_pointer()), _FLAG(0), _FLAG(3), _FLAG(1)])


def _row_address(builder: ir.IRBuilder, operands: _Operands, position: ir.Value, offset: ir.Value) -> ir.Value:
    """Address of one token's slice: table + rows[position] + column + offset * slice_bytes."""
    entry = builder.add(operands.rows, builder.mul(position, _INDEX(8)))
    row = builder.load(builder.inttoptr(entry, _INDEX.as_pointer()))
    column = builder.add(operands.column, builder.mul(offset, operands.slice_bytes))
    return builder.add(operands.table, builder.add(row, column))


class _Operands:
    def __init__(self, values: tuple[ir.Value, ...]) -> None:
        self.table, self.rows, self.maxima, self.start, self.dilation = values[:5]
        self.width, self.column, self.slice_bytes, self.filters = values[5:]


def _emit(builder: ir.IRBuilder, operands: _Operands, element: _Element) -> None:
    done = builder.append_basic_block("done")
    wide = builder.append_basic_block("wide")
    choose = builder.switch(operands.width, wide)
    for width in range(1, UNROLLED_WIDTHS + 1):
        block = builder.append_basic_block(f"width{width}")
        choose.add_case(_INDEX(width), block)
        builder.position_at_end(block)
        _emit_unrolled(builder, operands, element, width, done)
    builder.position_at_end(wide)
    _emit_any_width(builder, operands, element, done)
    builder.position_at_end(done)


def _emit_unrolled(builder: ir.IRBuilder, operands: _Operands, element: _Element, width: int, done: ir.Block) -> None:
    rows, later_rows = [], []
    for j in range(width):
        position = builder.add(operands.start, builder.mul(operands.dilation, _INDEX(j)))
        rows.append(_row_address(builder, operands, position, _INDEX(j)))
        later = builder.add(position, _INDEX(PREFETCH_DISTANCE))
        later_rows.append(_row_address(builder, operands, later, _INDEX(j)))

    def body(filter_index: ir.Value, vectors: int, lanes: int) -> None:
        stored = builder.mul(filter_index, _INDEX(element.stored_size))
        for row in later_rows:
            _prefetch(builder, builder.add(row, stored))
        for k in range(vectors):
            shift = builder.add(stored, _INDEX(k * lanes * element.stored_size))
            sums = element.load(builder, builder.add(rows[0], shift), lanes)
            for row in rows[1:]:
                sums = element.add(builder, sums, element.load(builder, builder.add(row, shift), lanes))
            index = builder.add(filter_index, _INDEX(k * lanes))
            address = builder.add(operands.maxima, builder.mul(index, _INDEX(element.summed_size)))
            element.keep_maximum(builder, address, sums)

    # Blocks of two registers, then half registers: filters are padded to a multiple of half a register.
    half = element.lanes // 2
    block_size = 2 * element.lanes
    blocks_end = builder.and_(operands.filters, _INDEX(-block_size))
    start = _emit_loop(builder, _INDEX(0), blocks_end, block_size, lambda i: body(i, 2, element.lanes))
    _emit_loop(builder, start, operands.filters, half, lambda i: body(i, 1, half))
    builder.branch(done)


def _emit_loop(builder: ir.IRBuilder, start: ir.Value, end: ir.Value, step: int, body: Any) -> ir.Value:
    """for (i = start; i < end; i += step) body(i); returns the final i."""
    before = builder.block
    head = builder.append_basic_block("head")
    inside = builder.append_basic_block("inside")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(_INDEX)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, end), inside, after)
    builder.position_at_end(inside)
    body(index)
    index.add_incoming(builder.add(index, _INDEX(step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return index


def _emit_any_width(builder: ir.IRBuilder, operands: _Operands, element: _Element, done: ir.Block) -> None:
    half = element.lanes // 2

    def body(filter_index: ir.Value) -> None:
        stored = builder.mul(filter_index, _INDEX(element.stored_size))
        first = _row_address(builder, operands, operands.start, _INDEX(0))
        sums_at_start = element.load(builder, builder.add(first, stored), half)
        before = builder.block
        head = builder.append_basic_block("row_head")
        inside = builder.append_basic_block("row")
        after = builder.append_basic_block("row_after")
        builder.branch(head)
        builder.position_at_end(head)
        j = builder.phi(_INDEX)
        sums = builder.phi(sums_at_start.type)
        j.add_incoming(_INDEX(1), before)
        sums.add_incoming(sums_at_start, before)
        builder.cbranch(builder.icmp_signed("<", j, operands.width), inside, after)
        builder.position_at_end(inside)
        position = builder.add(operands.start, builder.mul(operands.dilation, j))
        row = _row_address(builder, operands, position, j)
        added = element.add(builder, sums, element.load(builder, builder.add(row, stored), half))
        j.add_incoming(builder.add(j, _INDEX(1)), inside)
        sums.add_incoming(added, inside)
        builder.branch(head)
        builder.position_at_end(after)
        address = builder.add(operands.maxima, builder.mul(filter_index, _INDEX(element.summed_size)))
        element.keep_maximum(builder, address, sums)

    _emit_loop(builder, _INDEX(0), operands.filters, half, body)
    builder.branch(done)


def _window_max(is_int8: bool) -> Any:
    @intrinsic
    def window_max(  # type: ignore[no-untyped-def]
        typing_context, table, rows, maxima, start, dilation, width, column, slice_bytes, filters
    ):
        """maxima[f] = max(maxima[f], sum over j of table[rows[start + j * dilation], column + j, f]).

        All arguments are integers. `table`, `rows` (int64 byte offsets into the table) and `maxima` (int16 for
        an int8 table, else float32) are addresses; `column` is the byte at which this width starts in a row;
        `slice_bytes` the bytes of one offset's filters; `filters` a multiple of half a vector.
        """
        signature = types.void(*([types.int64] * 9))

        def generate(context, builder, signature, values):  # type: ignore[no-untyped-def]
            _emit(builder, _Operands(values), _Element(is_int8))
            return context.get_dummy_value()

        return signature, generate

    return window_max


window_max_int8 = _window_max(True)
window_max_float32 = _window_max(False)
