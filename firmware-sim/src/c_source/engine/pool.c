/* A pooling that is a layer of its own. */
struct pool {
    const struct value *input;
    const struct value *output;
    uint8_t rows; /* of a window */
    uint8_t columns;
    uint8_t down;   /* from a window to the next, in rows */
    uint8_t across; /* the same in columns */
    uint8_t top;    /* rows of padding above */
    uint8_t left;   /* columns of padding to the left */
    struct scaling scaling; /* of a mean: one for all channels, and a padding counts as zeros */
};
