/**
 * Loaded before each test file: node:test follows every promise, to tell to whose test an error belongs that nobody waited for. That was
 * two thirds of the time of a simulation, which is made of promises (69 s became 23 s). Such an error still fails its file, by name where
 * a timer or a socket threw it.
 */
import hooks from 'node:async_hooks'

const { createHook } = hooks
hooks.createHook = (callbacks) => createHook({ ...callbacks, trackPromises: false })
