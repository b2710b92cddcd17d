/** Bytes of a piece of a body, the last one being shorter: what a digest is kept of, so that a part can be checked by itself. */
export const PIECE_BYTES = 1024 * 1024
