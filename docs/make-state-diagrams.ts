/**
 * Writes docs/state-diagrams.md from the machines' tables of transitions, so that the pictures show what the code does:
 * `node docs/make-state-diagrams.ts`. A test compares the page with the tables.
 */
import { writeFileSync } from 'node:fs'
import { REACH_TRANSITIONS, type ReachState } from '../gateway/machines/reach.ts'
import { ANSWER_TRANSITIONS, type AnswerState } from '../peering/machines/answer.ts'
import { DOWNLOAD_TRANSITIONS, type DownloadState } from '../peering/machines/download.ts'
import { INQUIRY_TRANSITIONS } from '../peering/machines/inquiry-transitions.ts'
import type { InquiryState } from '../peering/machines/inquiry-vocabulary.ts'
import type { Downloader, Holder } from '../peering/machines/known-sources.ts'
import { ELECTION_TRANSITIONS } from '../providers/machines/election-transitions.ts'
import type { Phase } from '../providers/machines/election-vocabulary.ts'

type Transition = readonly [from: string, event: string, to: string, note: string]

interface Diagram {
  readonly title: string
  readonly text: string
  /** The states with the figures' numbers, the initial one first. */
  readonly states: Readonly<Record<string, string>>
  readonly over: readonly string[]
  readonly transitions: readonly Transition[]
}

const ANSWER_STATES: Record<AnswerState<unknown>['kind'], string> = {
  idle: 'idle 122',
  locating: 'locating 124',
  delaying: 'delaying 126',
  canceled: 'canceled 128',
  answered: 'answered 130',
}

const INQUIRY_STATES: Record<InquiryState<Holder, Downloader>['kind'], string> = {
  idle: 'idle 142',
  waiting: 'waiting 144',
  retrieving: 'retrieving 150',
  awaiting: 'awaiting 156',
  found: 'found 158',
  done: 'done, back in 142',
  failed: 'failed',
}

const DOWNLOAD_STATES: Record<DownloadState['kind'], string> = {
  idle: 'idle',
  downloading: 'downloading 216',
  over: 'over',
}

const ELECTION_STATES: Record<Phase['kind'], string> = {
  idle: 'idle',
  noticing: 'noticing',
  asking: 'asking',
  polling: 'polling',
  delaying: 'delaying',
  claiming: 'claiming',
  awaiting: 'awaiting',
  following: 'following',
  providing: 'providing',
}

const REACH_STATES: Record<ReachState['kind'], string> = {
  direct: 'direct',
  isolated: 'isolated',
}

const DIAGRAMS: readonly Diagram[] = [
  {
    title: 'The peering server: one answer (patent A, FIGS. 3 and 5)',
    text: 'One for each "I need" that was heard, in [peering/machines/answer.ts](../peering/machines/answer.ts).',
    states: ANSWER_STATES,
    over: ['canceled', 'answered'],
    transitions: ANSWER_TRANSITIONS,
  },
  {
    title: 'The peering client: one question (patent A, FIGS. 4A, 4B and 6)',
    text:
      'One for each resource that is asked for, in [peering/machines/inquiry.ts](../peering/machines/inquiry.ts). ' +
      '146, 148, 152 and 154 are decisions, passed within one step.',
    states: INQUIRY_STATES,
    over: ['done', 'failed'],
    transitions: INQUIRY_TRANSITIONS,
  },
  {
    title: 'The downloader: one running download (patent A, FIG. 7)',
    text: 'One for each resource on its way from the Internet, in [peering/machines/download.ts](../peering/machines/download.ts).',
    states: DOWNLOAD_STATES,
    over: ['over'],
    transitions: DOWNLOAD_TRANSITIONS,
  },
  {
    title: 'The election of a provider (patent A, summary and claims)',
    text:
      'One for each function, in [providers/machines/election.ts](../providers/machines/election.ts); what the states mean is in ' +
      '[providers.md](providers.md). A question of others for a function (FIG. 9) is answered by the first machine of this page.',
    states: ELECTION_STATES,
    over: [],
    transitions: ELECTION_TRANSITIONS,
  },
  {
    title: 'A node’s own access to the Internet (patent A, FIG. 1)',
    text: 'One for each node that could use a gateway, in [gateway/machines/reach.ts](../gateway/machines/reach.ts).',
    states: REACH_STATES,
    over: [],
    transitions: REACH_TRANSITIONS,
  },
]

/** The whole page. */
export function stateDiagrams(): string {
  return `${HEAD}\n${DIAGRAMS.map(section).join('\n')}`
}

const HEAD = `# State diagrams

Generated from the machines by \`node docs/make-state-diagrams.ts\`; do not edit. The numbers are those of the patents' figures. An arrow is drawn once for each pair of states; the table below each drawing says what happens on it. An event that is not in the table changes nothing.
`

function section({ title, text, states, over, transitions }: Diagram): string {
  const drawing = ['stateDiagram-v2', ...drawn(states), ...arrows(states, over, transitions)]
  const rows = transitions.map(
    ([from, event, to, note]) => `| ${states[from]} | ${event} | ${states[to]} | ${note} |`,
  )
  const table = ['| from | event | to | what happens |', '| --- | --- | --- | --- |', ...rows]
  return `## ${title}\n\n${text}\n\n\`\`\`mermaid\n${drawing.join('\n    ')}\n\`\`\`\n\n${table.join('\n')}\n`
}

function drawn(states: Diagram['states']): string[] {
  return Object.entries(states).map(([kind, label]) => `state "${label}" as ${kind}`)
}

/** Mermaid takes neither colons nor quotes in the words on an arrow, so there are only events. */
function arrows(
  states: Diagram['states'],
  over: readonly string[],
  transitions: Diagram['transitions'],
): string[] {
  const events = Map.groupBy(transitions, ([from, , to]) => `${from} --> ${to}`)
  return [
    ...Object.keys(states)
      .slice(0, 1)
      .map((initial) => `[*] --> ${initial}`),
    ...Array.from(events, ([arrow, each]) => `${arrow} : ${each.map(([, event]) => event).join(', ')}`),
    ...over.map((state) => `${state} --> [*]`),
  ]
}

if (import.meta.main) writeFileSync(new URL('state-diagrams.md', import.meta.url), stateDiagrams())
