/** `node:util` for those that load at each start, as `node-http.ts`: an `import` of all its exports loads threads, 1 MB and 5 ms. */
export const { parseArgs, promisify } = process.getBuiltinModule('node:util')
