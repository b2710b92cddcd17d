/**
 * Charts as SVG, written by hand: lines or points over labelled axes. Colours follow the reader's light or dark theme;
 * nothing is fetched, nothing runs.
 */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  /** With its unit: `time, in s`. */
  readonly label: string
  /** As the values come unless given. */
  readonly max?: number
  /** Logarithmic, for what spans powers of ten; 10 to the power of the least value is its beginning. */
  readonly isLog?: boolean
}

export interface Chart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
  /** Lines through the points, or dots alone. */
  readonly draw: 'lines' | 'dots'
  /** A value that must not be exceeded, or that nothing can be better than. */
  readonly mark?: { readonly y: number; readonly name: string }
}

const WIDTH = 720
const HEIGHT = 400
const LEFT = 70
const RIGHT = 20
const TOP = 46
const BOTTOM = 90

const STYLE = `<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .axis { stroke: #57606a } .grid { stroke: #57606a; stroke-opacity: .2 } .mark { stroke: #cf222e; stroke-dasharray: 6 4 }
  .s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #bc4c00; fill: #bc4c00 } .s2 { stroke: #1a7f37; fill: #1a7f37 }
  .s3 { stroke: #8250df; fill: #8250df } .s4 { stroke: #9a6700; fill: #9a6700 } .s5 { stroke: #bf3989; fill: #bf3989 }
  .line { fill: none; stroke-width: 2 } .back { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .axis { stroke: #8b949e } .grid { stroke: #8b949e } .back { fill: #0d1117 }
    .s0 { stroke: #58a6ff; fill: #58a6ff } .s1 { stroke: #f0883e; fill: #f0883e } .s2 { stroke: #3fb950; fill: #3fb950 }
    .s3 { stroke: #bc8cff; fill: #bc8cff } .s4 { stroke: #d29922; fill: #d29922 } .s5 { stroke: #f778ba; fill: #f778ba }
    .line { fill: none }
  }
</style>`

/** How many classes of colour `STYLE` has. */
const COLOURS = 6

/** The chart as a whole file. */
export function svgOf(chart: Chart): string {
  const { title, series } = chart
  const all = series.flatMap(({ points }) => points)
  const scaleX = scaleOf(
    chart.x,
    all.map(([x]) => x),
    LEFT,
    WIDTH - RIGHT,
  )
  const marked = chart.mark === undefined ? [] : [chart.mark.y]
  const scaleY = scaleOf(chart.y, [...all.map(([, y]) => y), ...marked], HEIGHT - BOTTOM, TOP)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    STYLE,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(LEFT, 26, title, 'title'),
    ...gridX(chart.x, scaleX),
    ...gridY(chart.y, scaleY),
    ...(chart.mark === undefined ? [] : markLine(chart.mark, scaleY)),
    ...series.flatMap((each, at) => drawn(chart.draw, each, at % COLOURS, scaleX, scaleY)),
    ...legend(series),
    '</svg>\n',
  ].join('\n')
}

interface Scale {
  readonly place: (value: number) => number
  readonly ticks: readonly number[]
}

function scaleOf({ max, isLog }: Axis, values: readonly number[], from: number, to: number): Scale {
  const greatest = max ?? values.reduce((most, value) => Math.max(most, value), 0)
  if (isLog === true) return logScale(values, greatest, from, to)
  const step = niceStep(greatest || 1)
  const end = max ?? Math.ceil((greatest || 1) / step) * step
  const ticks = Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, at) => at * step)
  return { place: (value) => from + (Math.min(value, end) / end) * (to - from), ticks }
}

function logScale(values: readonly number[], greatest: number, from: number, to: number): Scale {
  const least = values.reduce((low, value) => (value > 0 ? Math.min(low, value) : low), greatest)
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(greatest))]
  const place = (value: number) =>
    from + ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low || 1)) * (to - from)
  return { place, ticks: Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at)) }
}

/** 1, 2 or 5 times a power of ten, so that there are four to ten of them. */
function niceStep(range: number): number {
  const power = 10 ** Math.floor(Math.log10(range))
  const step = [0.1, 0.2, 0.5, 1].find((each) => range / (each * power) <= 8) ?? 1
  return step * power
}

function gridX({ label }: Axis, { place, ticks }: Scale): string[] {
  const bottom = HEIGHT - BOTTOM
  return [
    `<line class="axis" x1="${LEFT}" y1="${bottom}" x2="${WIDTH - RIGHT}" y2="${bottom}"/>`,
    ...ticks.map((tick) => text(place(tick), bottom + 18, numberText(tick), '', 'middle')),
    text((LEFT + WIDTH - RIGHT) / 2, bottom + 40, label, '', 'middle'),
  ]
}

function gridY({ label }: Axis, { place, ticks }: Scale): string[] {
  const middle = (TOP + HEIGHT - BOTTOM) / 2
  return [
    `<line class="axis" x1="${LEFT}" y1="${TOP}" x2="${LEFT}" y2="${HEIGHT - BOTTOM}"/>`,
    ...ticks.flatMap((tick) => [
      `<line class="grid" x1="${LEFT}" y1="${place(tick).toFixed(1)}" x2="${WIDTH - RIGHT}" y2="${place(tick).toFixed(1)}"/>`,
      text(LEFT - 8, place(tick) + 4, numberText(tick), '', 'end'),
    ]),
    `<text transform="translate(16 ${middle}) rotate(-90)" text-anchor="middle">${escaped(label)}</text>`,
  ]
}

function markLine({ y, name }: { readonly y: number; readonly name: string }, { place }: Scale): string[] {
  const at = place(y).toFixed(1)
  return [
    `<line class="mark" x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}"/>`,
    text(WIDTH - RIGHT - 4, Number(at) - 5, name, '', 'end'),
  ]
}

function drawn(draw: Chart['draw'], { points }: Series, colour: number, x: Scale, y: Scale): string[] {
  const places = points.map(([px, py]) => [x.place(px).toFixed(1), y.place(py).toFixed(1)] as const)
  if (draw === 'dots')
    return places.map(([cx, cy]) => `<circle class="s${colour}" cx="${cx}" cy="${cy}" r="2.5"/>`)
  return [`<polyline class="line s${colour}" points="${places.map((place) => place.join(',')).join(' ')}"/>`]
}

function legend(series: readonly Series[]): string[] {
  const room = (WIDTH - LEFT - RIGHT) / Math.max(1, series.length)
  return series.flatMap(({ name }, at) => {
    const left = LEFT + at * room
    const y = HEIGHT - 18
    return [
      `<rect class="s${at % COLOURS}" x="${left}" y="${y - 10}" width="12" height="12"/>`,
      text(left + 18, y, name),
    ]
  })
}

function text(x: number, y: number, words: string, kind = '', anchor = 'start'): string {
  const named = kind === '' ? '' : ` class="${kind}"`
  return `<text${named} x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`
}

function numberText(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en')
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
