//! From one plane for each channel to the channels of each pixel side by side, and back.

/// Side of the squares that are transposed in registers.
const SIDE: usize = 4;

/// Writes `[row][column]` as `[column][row]`; `from_length` floats lie between two rows, `to_length` between two columns.
pub(super) fn transpose(
    from: &[f32],
    from_length: usize,
    to: &mut [f32],
    to_length: usize,
    [rows, columns]: [usize; 2],
) {
    let (whole_rows, whole_columns) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
    for row in (0..whole_rows).step_by(SIDE) {
        let of_row = |index: usize| {
            let from = &from[(row + index) * from_length..][..whole_columns];
            from.as_chunks::<SIDE>().0.iter()
        };
        let [a, b, c, d] = [0, 1, 2, 3].map(of_row);
        for (((a, b), (c, d)), column) in a.zip(b).zip(c.zip(d)).zip((0..).step_by(SIDE)) {
            for (index, values) in square([*a, *b, *c, *d]).into_iter().enumerate() {
                let at = (column + index) * to_length + row;
                to[at..at + SIDE].copy_from_slice(&values);
            }
        }
    }
    for row in 0..rows {
        let first = if row < whole_rows { whole_columns } else { 0 };
        for column in first..columns {
            to[column * to_length + row] = from[row * from_length + column];
        }
    }
}

/// A square in four vectors: of its plain definition the compiler makes single loads, which take three times as long.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn square(rows: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    // every processor of x86-64 has it
    let Some(sse) = pulp::core_arch::x86::Sse::try_new() else {
        return square_by_element(rows);
    };
    let [a, b, c, d] = rows.map(pulp::cast);
    // pairs of the first two rows and of the last two, of columns 0 and 1, and 2 and 3
    let [left, right] = [sse._mm_unpacklo_ps(a, b), sse._mm_unpackhi_ps(a, b)];
    let [below_left, below_right] = [sse._mm_unpacklo_ps(c, d), sse._mm_unpackhi_ps(c, d)];
    let columns = [
        sse._mm_movelh_ps(left, below_left),
        sse._mm_movehl_ps(below_left, left),
        sse._mm_movelh_ps(right, below_right),
        sse._mm_movehl_ps(below_right, right),
    ];
    columns.map(pulp::cast)
}

#[cfg(not(target_arch = "x86_64"))]
use square_by_element as square;

#[inline(always)]
fn square_by_element([a, b, c, d]: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    [0, 1, 2, 3].map(|index| [a[index], b[index], c[index], d[index]])
}
