import { suite } from 'node:test'
import { MB } from '../../sim/scenario.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

const FILE_BYTES = 24 * MB

/** So much of it may be fetched twice, in copies: nodes that have gone on by themselves find each other within a second or two. */
const TWICE = 0.2

/** Connections that were cut off are tried again after 1, 3 and 7 s, so that what comes back last is noticed so much later, in ms. */
const NOTICED_MS = 3500

suite('an origin server that nobody reaches for a while, in the middle of a file', () => {
  for (const [machines, apart] of [
    [3, [50]],
    [5, [50, 500, 1500]],
  ] as const)
    for (const awayMs of [1500, 3000, 4500, 6000, 9000, 12_000, 20_000])
      for (const apartMs of apart)
        for (const isReversed of [false, true])
          testSeeds(
            `sends the rest once: ${machines} machines, ${awayMs} ms, then one after the other ${apartMs} ms apart${isReversed ? ', the other way round' : ''}`,
            { node: { proof: 'digest' } },
            async (scenario) => {
              const nodes = await scenario.nodes(machines)
              const uri = scenario.file('/big', FILE_BYTES)
              const { origin, clock, lan } = scenario
              const all = Promise.all(nodes.map((node) => node.get(uri)))
              while (origin.sentBytes < FILE_BYTES / 2) await clock.sleep(1)
              const addresses = nodes.map(({ address }) => address)
              const cutOff = isReversed ? addresses.toReversed() : addresses
              for (let left = machines; left > 0; left--) {
                lan.split([origin.host.address], cutOff.slice(0, left))
                await clock.sleep(left === machines ? awayMs : apartMs)
              }
              lan.heal()
              const longestMs = awayMs + (machines - 1) * apartMs + NOTICED_MS
              for (const got of await all) {
                assertRight(scenario, uri, got)
                assertAtMost(got.longestStallMs, longestMs, 'longest stall, in ms')
              }
              assertAtMost(origin.sentBytes, (1 + TWICE) * FILE_BYTES, 'bytes from the origin server')
            },
            { seeds: [1] },
          )
})
