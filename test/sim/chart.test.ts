import assert from 'node:assert/strict'
import { test } from 'node:test'
import { svgOf, type Chart } from '../../sim/chart.ts'

const CHART: Chart = {
  title: 'Copies & <losses>',
  x: { label: 'datagrams lost, in %' },
  y: { label: 'copies' },
  series: [
    {
      name: 'boot',
      points: [
        [0, 1],
        [10, 2],
      ],
    },
  ],
  draw: 'lines',
  mark: { y: 1, name: 'one copy' },
}

test('a chart says its title, both axes with their units and every series, and is readable in the dark', () => {
  const svg = svgOf(CHART)
  for (const words of [
    'Copies &amp; &lt;losses>',
    'datagrams lost, in %',
    '>copies<',
    '>boot<',
    '>one copy<',
  ])
    assert.ok(svg.includes(words), words)
  assert.match(svg, /prefers-color-scheme: dark/)
  assert.doesNotMatch(svg, /NaN|undefined|<script|https?:(?!\/\/www\.w3\.org\/2000\/svg)/)
})

test('the least value is left or at the bottom, the greatest right or on top', () => {
  const [, from, to] = /points="([\d.,]+) ([\d.,]+)"/.exec(svgOf(CHART)) ?? []
  const [x0 = NaN, y0 = NaN] = (from ?? '').split(',').map(Number)
  const [x1 = NaN, y1 = NaN] = (to ?? '').split(',').map(Number)
  assert.ok(x0 < x1 && y0 > y1)
})

test('on a logarithmic axis the same factor is the same distance', () => {
  const points = [1, 10, 100].map((value) => [value, 1] as const)
  const svg = svgOf({ ...CHART, x: { label: 'nodes', isLog: true }, series: [{ name: 'a', points }] })
  const places =
    /points="([^"]+)"/
      .exec(svg)?.[1]
      ?.split(' ')
      .map((place) => Number(place.split(',')[0])) ?? []
  const [one = NaN, ten = NaN, hundred = NaN] = places
  assert.ok(Math.abs(ten - one - (hundred - ten)) < 0.2)
})

test('a chart of nothing is a chart', () => {
  assert.doesNotMatch(svgOf({ ...CHART, series: [] }), /NaN/)
})
