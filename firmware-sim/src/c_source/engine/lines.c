/*
 * Finds the rows of a value under a kernel, from the row `first` on, which is counted with the `top` rows of padding
 * above the value. A line above or below the value is NULL: all zeros. Each begins `left` columns before the first.
 */
static void find_lines(const struct model *model, const struct value *value, uint32_t first, uint32_t top,
                       uint32_t left, uint32_t count, const uint8_t **lines)
{
    for (uint32_t line = 0; line < count; line++) {
        const uint32_t y = first + line - top; /* wraps above the value, and is then no row either */

        lines[line] = y < value->height ? row_of(model, value, y) - left * value->channels : NULL;
    }
}
