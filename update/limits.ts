/** What an updater takes unless it is told otherwise, and a publisher so never makes. */

/** Of a package; `cabinfo.ini` is one of its files. */
export const PACKAGE_LIMITS = { maxFiles: 10_000, maxUnpackedBytes: 2_000_000_000 } as const
/** Of a package as it is sent. */
export const MAX_PACKAGE_BYTES = 500_000_000
/** Of `myupdate.cab` as it is sent. */
export const MAX_CATALOGUE_BYTES = 512_000
export const CATALOGUE_LIMITS = { maxFiles: 20, maxUnpackedBytes: 4_000_000 } as const
