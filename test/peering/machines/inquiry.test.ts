import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MAX_TAKE_OVERS, PLAIN_WAIT_MS } from '../../../peering/machines/inquiry-patience.ts'
import { INQUIRY_TRANSITIONS } from '../../../peering/machines/inquiry-transitions.ts'
import { initialInquiry, isInquiryOver, stepInquiry } from '../../../peering/machines/inquiry.ts'
import type {
  InquiryCommand,
  InquiryEvent,
  InquirySettings,
  InquiryState,
} from '../../../peering/machines/inquiry-vocabulary.ts'
import type { Downloader, Holder } from '../../../peering/machines/known-sources.ts'
import { at, stepListed, testScripts, type Line, type Machine } from './script.ts'

type State = InquiryState<Holder, Downloader>
type Event = InquiryEvent<Holder, Downloader>
type Command = InquiryCommand<Holder, Downloader>

const machine: Machine<State, Event, Command> = {
  initial: initialInquiry,
  step: stepInquiry,
  transitions: INQUIRY_TRANSITIONS,
}

const SETTINGS: InquirySettings = { waitMs: 2200, holdersMs: 2200, waitForDownloads: true, silenceMs: 3000 }
const need = (settings: Partial<InquirySettings> = {}): Event => ({
  kind: 'need',
  at: at(0),
  settings: { ...SETTINGS, ...settings },
})
const iHave = (peer: string, ms = 100): Event => ({ kind: 'response', at: at(ms), holder: { peer } })
const downloading = (peer: string, ms = 100, readable = true): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable },
})
const growing = (peer: string, ms: number, receivedBytes: number): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable: false, receivedBytes },
})
const promising = (peer: string, ms: number, silenceMs: number): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable: false, silenceMs },
})
/** The same of a node that was heard to ask for it as well. */
const askerPromising = (peer: string, ms: number, silenceMs: number): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable: false, silenceMs, hasAsked: true },
})
const busy = (patientUntil = Infinity): Event => ({ kind: 'busy', patientUntil: at(patientUntil) })
const inVain = (ms: number, patientMs = 0): Event => ({
  kind: 'in-vain',
  at: at(ms),
  patientUntil: at(ms + patientMs),
})
const leaveWait = (ms: number, promisedMs = 200): Event => ({
  kind: 'leave-wait',
  at: at(ms),
  promisedUntil: at(ms + promisedMs),
})
const expected = (peer: string, ms: number): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable: false, silenceMs: 300, isExpected: true },
})
const complete = (peer: string, ms: number, isLocated = true): Event => ({
  kind: 'download-complete',
  at: at(ms),
  peer,
  holder: isLocated ? { peer } : undefined,
})
const downloadFailed = (peer: string, ms: number): Event => ({ kind: 'download-failed', at: at(ms), peer })
/** What comes is for each who asks. */
const failedForEach = (peer: string, ms: number): Event => ({
  kind: 'download-failed',
  at: at(ms),
  peer,
  isForEach: true,
})
const sourceFailed = (ms: number) => ({ kind: 'source-failed', at: at(ms) }) as const
const sourceSilent = (ms: number): Event => ({ kind: 'source-failed', at: at(ms), isSilence: true })
const sourceLost = (ms: number): Event => ({ kind: 'source-lost', at: at(ms) })
const changeOver = (ms: number, to = 'd') => ({ kind: 'change-over', at: at(ms), to }) as const
const wake = (ms: number): Event & Command => ({ kind: 'wake', at: at(ms) })
const RETRIEVED: Event = { kind: 'retrieved' }
const ENOUGH: Event = { kind: 'enough' }
const agree = (ms: number): Event => ({ kind: 'agree', at: at(ms), until: at(ms + 250) })
/** "I am downloading" of a node that was heard to ask for it as well. */
const fetching = (peer: string, ms: number): Event => ({
  kind: 'downloading',
  at: at(ms),
  downloader: { peer, readable: true, hasAsked: true },
})
const followFetching = (peer: string): Command => ({
  kind: 'follow',
  downloader: { peer, readable: true, hasAsked: true },
})
const askerHas = (peer: string, ms: number): Event => ({
  kind: 'response',
  at: at(ms),
  holder: { peer, hasAsked: true },
})
const retrieveFromAsker = (peer: string): Command => ({ kind: 'retrieve', holder: { peer, hasAsked: true } })
const ABANDONED: Event = { kind: 'abandoned' }

const I_NEED: Command = { kind: 'broadcast-request' }
const I_NEED_OF_FEW: Command = { kind: 'directed-request' }
const I_FOUND: Command = { kind: 'broadcast-end-request' }
const INTERNET: Command = { kind: 'retrieve-from-internet' }
const INTERNET_FOR_EACH: Command = { kind: 'retrieve-from-internet', isForEach: true }
const INFORM_SERVER: Command = { kind: 'inform-server' }
const FAILURE: Command = { kind: 'report-failure' }
const retrieve = (peer: string): Command => ({ kind: 'retrieve', holder: { peer } })
const follow = (peer: string): Command => ({ kind: 'follow', downloader: { peer, readable: true } })
const secondFetcher = (peer: string, silenceMs?: number): Command => ({
  kind: 'second-fetcher',
  downloader: silenceMs === undefined ? { peer, readable: true } : { peer, readable: false, silenceMs },
})
const FETCHING = { peer: 'd', readable: true, hasAsked: true }
const secondFetcherOnceSilent = (
  downloader: typeof FETCHING | { peer: string; readable: boolean },
): Command => ({
  kind: 'second-fetcher',
  downloader,
  wasSilent: true,
})
const lateOffer = (peer: string): Command => ({ kind: 'late-offer', holder: { peer } })

type Lines = readonly Line<Event, Command>[]
const ASK: Lines = [[need(), 'waiting', I_NEED, wake(2200)]]
const FOUND: Lines = [...ASK, [iHave('h'), 'found', I_FOUND, retrieve('h')]]
const INTERNET_AFTER_TIME_OUT: Lines = [...ASK, [wake(2200), 'retrieving', INTERNET]]
/** In 156, reading the growing copy of `d`. */
const FOLLOWING: Lines = [
  ...ASK,
  [downloading('d'), 'waiting'],
  [wake(2200), 'awaiting', I_FOUND, follow('d')],
]
/** In 156, waiting for `d`, a node of the patents, to say that it is complete. */
const AWAITING: Lines = [
  ...ASK,
  [downloading('d', 100, false), 'waiting'],
  [wake(2200), 'awaiting', I_FOUND, wake(5200)],
]

testScripts(machine, {
  'liars: 158 → 144 → 156: all ask once more, and follow the one that was heard to ask too': [
    ...FOUND,
    [downloading('liar', 400), 'found'],
    [agree(500), 'waiting', I_NEED, wake(560)],
    [iHave('another liar', 510), 'waiting'],
    [fetching('d', 520), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, followFetching('d')],
  ],
  'liars: 158 → 144 → 150: nobody fetches it, and holders are not asked': [
    ...FOUND,
    [agree(500), 'waiting', I_NEED, wake(560)],
    [iHave('another liar', 510), 'waiting'],
    [downloading('liar', 520), 'waiting'],
    [wake(560), 'retrieving', INTERNET],
  ],
  'liars: who is about to fetch is waited for until patience is over, and not longer': [
    ...FOUND,
    [agree(500), 'waiting', I_NEED, wake(560)],
    [expected('r', 560), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, wake(750)],
    [wake(750), 'retrieving', INTERNET],
  ],
  'liars: 158 → 144 → 158: "I have" of one that was heard to ask for it as well is believed': [
    ...FOUND,
    [agree(500), 'waiting', I_NEED, wake(560)],
    [iHave('another liar', 510), 'waiting'],
    [askerHas('a', 520), 'found', I_FOUND, retrieveFromAsker('a')],
    [sourceFailed(600), 'retrieving', INTERNET],
  ],
  'liars: 156 → 158: the same, while one is waited for that is about to fetch': [
    ...FOUND,
    [agree(500), 'waiting', I_NEED, wake(560)],
    [expected('r', 560), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, wake(750)],
    [askerHas('a', 600), 'found', retrieveFromAsker('a')],
  ],
  'liars: who is about to fetch may wait for one itself: after a failure it costs no more than what patience is left':
    [
      ...FOUND,
      [{ kind: 'source-failed', at: at(500), patientUntil: at(700) }, 'waiting', I_NEED, wake(560)],
      [expected('r', 560), 'waiting'],
      [expected('s', 560), 'waiting'],
      [wake(560), 'awaiting', I_FOUND, wake(700)],
      [wake(700), 'retrieving', INTERNET],
    ],
  'liars: who says itself that it fetches, and was heard to ask for it, may be one too, and is not waited for beyond that':
    [
      ...FOUND,
      [{ kind: 'source-failed', at: at(500), patientUntil: at(700) }, 'waiting', I_NEED, wake(560)],
      [askerPromising('r', 550, 900), 'waiting'],
      [wake(560), 'awaiting', I_FOUND, wake(700)],
      [wake(700), 'retrieving', INTERNET],
    ],
  'liars: who takes its download back, and promises another one, is waited for no longer than one that failed':
    [
      ...FOLLOWING,
      [
        { kind: 'download-failed', at: at(2600), peer: 'd', patientUntil: at(3000) },
        'waiting',
        I_NEED,
        wake(2660),
      ],
      [askerPromising('d', 2610, 900), 'waiting'],
      [wake(2660), 'awaiting', I_FOUND, wake(3000)],
      [wake(3000), 'retrieving', INTERNET],
    ],
  'liars: who comes first in rank, and promises a copy again and again, is waited for 600 ms in all, and then all are asked':
    [
      [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
      [expected('d', 60), 'waiting'],
      [wake(60), 'awaiting', I_FOUND, wake(360)],
      [askerPromising('d', 300, 900), 'awaiting'],
      [wake(360), 'awaiting', wake(660)],
      [askerPromising('d', 600, 900), 'awaiting'],
      [wake(660), 'waiting', I_NEED, wake(720)],
      [askerPromising('d', 700, 900), 'waiting'],
      [wake(720), 'retrieving', INTERNET],
    ],
  'liars: who says in the packets of the patents that it has received more, again and again, is waited for 10 s in all':
    [
      [need(), 'waiting', I_NEED, wake(2200)],
      [growing('d', 100, 10), 'waiting'],
      [wake(2200), 'awaiting', I_FOUND, wake(5200)],
      [growing('d', 5000, 20), 'awaiting'],
      [wake(5200), 'awaiting', wake(8000)],
      [growing('d', 7500, 30), 'awaiting'],
      [wake(8000), 'awaiting', wake(10_500)],
      [growing('d', 10_000, 40), 'awaiting'],
      [wake(10_500), 'awaiting', wake(12_200)],
      [growing('d', 12_000, 50), 'awaiting'],
      [wake(12_200), 'retrieving', INTERNET],
    ],
  'liars: a node of the patents is left when its word is not worth the wait, and all agree on who fetches': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [growing('d', 10, 10), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(3060)],
    [leaveWait(400), 'waiting', I_NEED, wake(460)],
    // Whatever it says, it is not waited for again, nor asked where its copy is.
    [growing('d', 410, 20), 'waiting'],
    [complete('d', 420, false), 'waiting'],
    [growing('d', 430, 30), 'waiting'],
    [expected('r', 460), 'waiting'],
    [wake(460), 'awaiting', I_FOUND, wake(600)],
    [downloading('r', 550), 'awaiting', follow('r')],
  ],
  'liars: where that one does not fetch it either, the Internet is next; the late "I have" of the first is an offer':
    [
      [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
      [growing('d', 10, 10), 'waiting'],
      [wake(60), 'awaiting', I_FOUND, wake(3060)],
      [leaveWait(400), 'waiting', I_NEED, wake(460)],
      [expected('r', 460), 'waiting'],
      [wake(460), 'awaiting', I_FOUND, wake(600)],
      [wake(600), 'retrieving', INTERNET],
      [growing('d', 700, 40), 'retrieving'],
      [iHave('d', 800), 'retrieving', { kind: 'late-offer', holder: { peer: 'd' } }],
    ],
  'liars: who has it and does not say where is left as well': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [growing('d', 10, 10), 'waiting'],
    [complete('d', 20, false), 'waiting', I_NEED, wake(20 + PLAIN_WAIT_MS)],
    [leaveWait(400), 'waiting', I_NEED, wake(460)],
    [leaveWait(410), 'waiting'],
    [wake(460), 'retrieving', INTERNET],
  ],
  'and for a copy that grows meanwhile, at once': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [growing('d', 10, 10), 'waiting'],
    [complete('d', 20, false), 'waiting', I_NEED, wake(20 + PLAIN_WAIT_MS)],
    [downloading('r', 300), 'waiting'],
    [leaveWait(400), 'awaiting', follow('r')],
  ],
  'liars: a node of the patents that is left when everybody was asked often enough: the Internet': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [growing('d', 10, 10), 'waiting'],
    [complete('d', 20, false), 'waiting', I_NEED, wake(20 + PLAIN_WAIT_MS)],
    ...['a', 'b', 'c'].flatMap((peer, time): Lines => [
      [iHave(peer, 100 * time + 100), 'found', I_FOUND, retrieve(peer)],
      [sourceFailed(100 * time + 150), 'waiting', I_NEED, wake(100 * time + 210)],
    ]),
    [leaveWait(400), 'retrieving', INTERNET],
  ],
  'liars: and so where it was waited for after that': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    ...['a', 'b', 'c'].flatMap((peer, time): Lines => [
      [iHave(peer, 100 * time + 10), 'found', I_FOUND, retrieve(peer)],
      [sourceFailed(100 * time + 20), 'waiting', I_NEED, wake(100 * time + 80)],
    ]),
    [growing('d', 230, 10), 'waiting'],
    [wake(280), 'awaiting', I_FOUND, wake(3280)],
    [leaveWait(400), 'retrieving', INTERNET],
  ],
  'directed: whoever has told that it has it answers, and nobody else is asked': [
    [need({ waitMs: 60, directedMs: 20 }), 'waiting', I_NEED_OF_FEW, wake(20)],
    [iHave('h', 10), 'found', I_FOUND, retrieve('h')],
  ],
  'directed: where they are silent everybody is asked, and what was heard before counts': [
    [need({ waitMs: 60, directedMs: 20 }), 'waiting', I_NEED_OF_FEW, wake(20)],
    [askerPromising('d', 10, 900), 'waiting'],
    [wake(10), 'waiting', wake(20)],
    [wake(20), 'waiting', I_NEED, wake(80)],
    [wake(80), 'awaiting', I_FOUND, wake(680)],
  ],
  'directed: a download that can be read is followed when they have had their time, and nobody else is asked':
    [
      [need({ waitMs: 60, directedMs: 20 }), 'waiting', I_NEED_OF_FEW, wake(20)],
      [downloading('d', 10), 'waiting'],
      [wake(20), 'awaiting', I_FOUND, follow('d')],
    ],
  'directed: with nobody to wait for nobody is asked first': [
    [need({ waitMs: 0, directedMs: 20 }), 'retrieving', I_NEED, INTERNET],
  ],
  'directed: it comes before what may be waited for promises, and takes nothing of that': [
    [need({ waitMs: 60, directedMs: 20 }), 'waiting', I_NEED_OF_FEW, wake(20)],
    [wake(20), 'waiting', I_NEED, wake(80)],
    [promising('d', 70, 900), 'waiting'],
    [wake(80), 'awaiting', I_FOUND, wake(680)],
  ],
  'nobody leaves who waits for something else': [...FOLLOWING, [leaveWait(2500), 'awaiting']],
  'busy: a node that has to wait for its turn at the processor waits 900 ms in all for what is promised, and no longer':
    [
      [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
      [askerPromising('d', 50, 1500), 'waiting'],
      [wake(60), 'awaiting', I_FOUND, wake(660)],
      [busy(), 'awaiting'],
      [wake(660), 'awaiting', wake(960)],
      [busy(), 'awaiting'],
      [wake(960), 'waiting', I_NEED, wake(1020)],
      [wake(1020), 'retrieving', INTERNET],
    ],
  'busy: known before anybody has promised, it counts as well': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [busy(), 'waiting'],
    [askerPromising('d', 50, 1500), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(960)],
  ],
  'busy: where peers have failed, promises are waited for no longer than patience lasts': [
    ...FOUND,
    [busy(), 'found'],
    [{ kind: 'source-failed', at: at(500), patientUntil: at(800) }, 'waiting', I_NEED, wake(560)],
    [askerPromising('d', 550, 1500), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, wake(800)],
  ],
  'busy: nor where that is found out later': [
    ...FOUND,
    [{ kind: 'source-failed', at: at(500), patientUntil: at(800) }, 'waiting', I_NEED, wake(560)],
    [askerPromising('d', 550, 1500), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, wake(800)],
    [busy(850), 'awaiting'],
    [wake(800), 'awaiting', wake(850)],
  ],
  'busy: one that comes first in rank may have to wait for its turn as well, and is given 700 ms to say a word':
    [
      [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
      [busy(), 'waiting'],
      [expected('d', 60), 'waiting'],
      [wake(60), 'awaiting', I_FOUND, wake(760)],
      [askerPromising('d', 750, 900), 'awaiting'],
      [wake(760), 'awaiting', wake(960)],
      [downloading('d', 950), 'awaiting', follow('d')],
    ],
  'busy: nor is it left sooner where that is found out while it is waited for': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [expected('d', 60), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(360)],
    [busy(), 'awaiting'],
    [busy(), 'awaiting'],
    [wake(360), 'awaiting', wake(760)],
    [wake(760), 'waiting', I_NEED, wake(820)],
  ],
  'busy: all that come first in rank together are given no more than what is promised may take': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [busy(), 'waiting'],
    [expected('d', 60), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(760)],
    [wake(760), 'waiting', I_NEED, wake(820)],
    [expected('e', 820), 'waiting'],
    [wake(820), 'awaiting', I_FOUND, wake(960)],
  ],
  'busy: what comes from the Internet is not waited for': [
    ...INTERNET_AFTER_TIME_OUT,
    [busy(), 'retrieving'],
  ],
  '156 → 144 → 158: when a promise was not kept in time its words may have been lost, so all are asked once more':
    [
      [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
      [askerPromising('d', 50, 900), 'waiting'],
      [wake(60), 'awaiting', I_FOUND, wake(660)],
      [wake(660), 'waiting', I_NEED, wake(720)],
      [iHave('h', 670), 'found', I_FOUND, retrieve('h')],
    ],
  'a download that was followed after that and broke off is taken over by agreement, as every other': [
    ...FOUND,
    [{ kind: 'source-failed', at: at(500), patientUntil: at(700) }, 'waiting', I_NEED, wake(560)],
    [downloading('d', 550), 'waiting'],
    [wake(560), 'awaiting', I_FOUND, follow('d')],
    [downloadFailed('d', 9000), 'waiting', I_NEED, wake(9060)],
    [expected('r', 9060), 'waiting'],
    [wake(9060), 'awaiting', I_FOUND, wake(9360)],
  ],
  'liars: 158 → 156: the copy that is being fetched already, the last that was told of': [
    ...FOUND,
    [fetching('c', 300), 'found'],
    [fetching('d', 400), 'found'],
    [agree(500), 'awaiting', followFetching('d')],
    [sourceFailed(600), 'awaiting', followFetching('c')],
    [sourceFailed(800), 'retrieving', INTERNET],
  ],
  'liars: 158 → 158: who is about to be used, and was heard to ask for it, has its chance all the same; beside the Internet at last':
    [
      ...ASK,
      [iHave('liar'), 'found', I_FOUND, retrieve('liar')],
      [iHave('another liar'), 'found'],
      [askerHas('a', 300), 'found'],
      [agree(500), 'found', retrieveFromAsker('a')],
      [ENOUGH, 'retrieving', INTERNET, { kind: 'late-offer', holder: { peer: 'a', hasAsked: true } }],
    ],
  'liars: 156 → 158: the same while a copy is read that grows': [
    ...FOLLOWING,
    [askerHas('a', 2300), 'awaiting'],
    [agree(2500), 'found', retrieveFromAsker('a')],
  ],
  'liars: 156 → 150: one that fetches it, most likely, may still be quicker than the Internet': [
    ...FOLLOWING,
    [fetching('e', 2300), 'awaiting'],
    [
      ENOUGH,
      'retrieving',
      INTERNET,
      { kind: 'second-fetcher', downloader: { peer: 'e', readable: true, hasAsked: true } },
    ],
  ],
  'liars: 158 → 150: a question that waits for nobody agrees with nobody': [
    [need({ waitForDownloads: false }), 'waiting', I_NEED, wake(2200)],
    [iHave('h'), 'found', I_FOUND, retrieve('h')],
    [agree(500), 'retrieving', INTERNET],
  ],
  'liars: 156 → 156': [
    ...FOLLOWING,
    [fetching('e', 2300), 'awaiting'],
    [agree(2500), 'awaiting', followFetching('e')],
  ],
  'liars: 156 → 144': [...FOLLOWING, [agree(2500), 'waiting', I_NEED, wake(2560)]],
  'liars: 156 → 150': [
    ...FOLLOWING,
    [{ kind: 'agree', at: at(2500), until: at(2500) }, 'retrieving', INTERNET],
  ],
  'FIG. 4A, 142 → 144 → 146 → 158 → 142: the first "I have" wins, and the server is told of the copy': [
    ...FOUND,
    [RETRIEVED, 'done', INFORM_SERVER],
    [iHave('late'), 'done'],
    [wake(2200), 'done'],
  ],
  'FIG. 4A, 144 → 150 → 158 → 142: nobody answers, so the Internet is asked': [
    ...INTERNET_AFTER_TIME_OUT,
    [RETRIEVED, 'done', INFORM_SERVER],
  ],
  '142 → 150: with nobody to wait for, the question goes out and is not waited for': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
  ],
  '142: nothing but a need has an effect': [
    [iHave('h'), 'idle'],
    [wake(1), 'idle'],
    [RETRIEVED, 'idle'],
    [ABANDONED, 'idle'],
  ],
  '144: woken early, it waits on': [
    ...ASK,
    [wake(2199), 'waiting', wake(2200)],
    [wake(2200), 'retrieving', INTERNET],
  ],
  '144: nothing is in use that could fail or be whole, and a second need changes nothing': [
    ...ASK,
    [need(), 'waiting'],
    [sourceFailed(1), 'waiting'],
    [changeOver(1), 'waiting'],
    [RETRIEVED, 'waiting'],
  ],
  'FIG. 4B, 144 → 148 → 150: whoever cannot wait for a download does not': [
    [need({ waitForDownloads: false }), 'waiting', I_NEED, wake(2200)],
    [downloading('d'), 'waiting'],
    [wake(2200), 'retrieving', INTERNET],
    [sourceFailed(2300), 'failed', FAILURE],
  ],
  '156 → 150: what is for each who asks keeps nobody waiting for another one that promises it': [
    ...ASK,
    [promising('d', 100, 900), 'waiting'],
    [promising('e', 110, 900), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(2800)],
    [failedForEach('e', 2250), 'awaiting'],
    [failedForEach('d', 2300), 'retrieving', INTERNET_FOR_EACH],
    [sourceFailed(2400), 'failed', FAILURE],
  ],
  '144 → 150: the same while answers are waited for; whoever promised nothing is not heard': [
    ...ASK,
    [failedForEach('d', 50), 'waiting'],
    [promising('d', 100, 900), 'waiting'],
    [failedForEach('d', 200), 'retrieving', INTERNET_FOR_EACH],
  ],
  '156: a copy that is read is read by all, whatever its node says of the origin server': [
    ...FOLLOWING,
    [failedForEach('d', 2300), 'waiting', I_NEED, wake(2360)],
  ],
  'two fetchers: one that waits for nobody hears of the other one in vain, and goes on': [
    [need({ waitForDownloads: false }), 'waiting', I_NEED, wake(2200)],
    [wake(2200), 'retrieving', INTERNET],
    [downloading('d', 2300), 'retrieving'],
    [iHave('h', 2400), 'retrieving', lateOffer('h')],
  ],
  'FIG. 4B, 148 → 152 → 150: no download is in progress any more': [
    ...ASK,
    [downloading('d'), 'waiting'],
    [downloadFailed('d', 200), 'waiting'],
    [wake(2200), 'retrieving', INTERNET],
  ],
  '156: who promises a copy is waited for as long as it said, not longer for saying it again (R5.4)': [
    [need(), 'waiting', I_NEED, wake(2200)],
    [promising('d', 100, 300), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(2500)],
    [promising('d', 2400, 300), 'awaiting'],
    [promising('d', 2450, 900), 'awaiting'],
    [wake(2500), 'waiting', I_NEED, wake(2560)],
    [wake(2560), 'retrieving', INTERNET],
  ],
  '156: all who promise a copy and were not heard to ask for it are waited for 600 ms together': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [promising('d', 10, 900), 'waiting'],
    [promising('e', 10, 900), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(660)],
    [growing('d', 500, 1000), 'awaiting'],
    [wake(660), 'waiting', I_NEED, wake(720)],
    [promising('e', 670, 900), 'waiting'],
    [promising('d', 670, 900), 'waiting'],
    [wake(720), 'retrieving', INTERNET],
    [promising('f', 1000, 900), 'retrieving'],
  ],
  '156: one that was heard to ask for it is waited for after them as well, by a busy node': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [busy(), 'waiting'],
    [promising('d', 10, 900), 'waiting'],
    [wake(60), 'awaiting', I_FOUND, wake(660)],
    [wake(660), 'waiting', I_NEED, wake(720)],
    [promising('d', 670, 900), 'waiting'],
    [askerPromising('e', 680, 900), 'waiting'],
    [wake(720), 'awaiting', I_FOUND, wake(960)],
    [downloading('e', 900), 'awaiting', follow('e')],
  ],
  '156: a rival that says it is downloading is waited for as long as one that said so at once (R5.4)': [
    [need(), 'waiting', I_NEED, wake(2200)],
    [expected('d', 2200), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(2500)],
    [askerPromising('d', 2400, 900), 'awaiting'],
    [wake(2500), 'awaiting', wake(2800)],
    [downloading('d', 2750), 'awaiting', follow('d')],
  ],
  '156 → 144: all who waited for a rival that says nothing ask once more, together (R5.4)': [
    [need(), 'waiting', I_NEED, wake(2200)],
    [expected('d', 2200), 'waiting'],
    [expected('e', 2200), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(2500)],
    [wake(2500), 'waiting', I_NEED, wake(2560)],
    [downloading('d', 2510), 'waiting'],
    [wake(2560), 'awaiting', I_FOUND, follow('d')],
  ],
  '156: where one copy is promised and another can be read, that one is read': [
    [need(), 'waiting', I_NEED, wake(2200)],
    [promising('d', 100, 900), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(2800)],
    [downloading('e', 2300), 'awaiting', follow('e')],
    [sourceFailed(2400), 'waiting', I_NEED, wake(2460)],
  ],
  '150: another one asks the origin server too, without an answer yet: the owner is told, and may withdraw (R5.4)':
    [
      ...INTERNET_AFTER_TIME_OUT,
      [promising('d', 2250, 900), 'retrieving', secondFetcher('d', 900)],
      [changeOver(2251), 'awaiting', wake(2800)],
    ],
  '156 → 150: no peer is of use now, and none has failed: later one may be': [
    ...FOLLOWING,
    [ENOUGH, 'retrieving', INTERNET],
    [downloading('d', 3000), 'retrieving', secondFetcher('d')],
    [changeOver(3001), 'awaiting', follow('d')],
  ],
  '158 → 150: no peer is of use now': [...FOUND, [ENOUGH, 'retrieving', INTERNET]],
  '144: once a growing copy can be read, only the holders’ own time is waited for': [
    [need({ holdersMs: 40 }), 'waiting', I_NEED, wake(2200)],
    [downloading('d', 10), 'waiting', wake(40)],
    [wake(40), 'awaiting', I_FOUND, follow('d')],
  ],
  '144 → 156: the holders have had their time when the download is heard of': [
    [need({ holdersMs: 40 }), 'waiting', I_NEED, wake(2200)],
    [downloading('d', 41), 'awaiting', I_FOUND, follow('d')],
  ],
  '144: a download that cannot be read, or waited for, hurries nothing': [
    [need({ holdersMs: 40 }), 'waiting', I_NEED, wake(2200)],
    [downloading('d', 41, false), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(5200)],
  ],
  'FIG. 4B, 152 → 154 → 156 → 158: "I found", and "download complete" ends the wait': [
    ...AWAITING,
    [complete('d', 2300), 'found', retrieve('d')],
    [RETRIEVED, 'done', INFORM_SERVER],
  ],
  'FIG. 6, 224: "I have" of the downloader, or of anyone, ends the wait as well': [
    ...AWAITING,
    [iHave('h', 2300), 'found', retrieve('h')],
  ],
  '156: progress puts off the moment at which the downloader is taken for dead (R5.2)': [
    ...AWAITING,
    [downloading('d', 3000, false), 'awaiting'],
    [wake(5200), 'awaiting', wake(6000)],
    [wake(6000), 'retrieving', INTERNET],
  ],
  '156 → 150: a downloader that falls silent is replaced (R5.3)': [
    ...AWAITING,
    [sourceFailed(3000), 'awaiting'],
    [wake(5200), 'retrieving', INTERNET],
  ],
  '156: after a silent downloader comes another one': [
    ...AWAITING,
    [downloading('e', 3000, false), 'awaiting'],
    [wake(5200), 'awaiting', wake(8200)],
    [wake(8200), 'retrieving', INTERNET],
  ],
  '156 → 150: the downloader gives up, and this node takes over': [
    ...AWAITING,
    [downloadFailed('d', 2300), 'retrieving', INTERNET],
  ],
  '156: the downloader gives up, and another one is waited for': [
    ...AWAITING,
    [downloading('e', 2300, false), 'awaiting'],
    [downloadFailed('d', 2400), 'awaiting', wake(5400)],
  ],
  '156: a growing copy is read from the moment at which its place is known (R5.4)': [
    ...AWAITING,
    [downloading('d', 2300, true), 'awaiting', follow('d')],
    [downloading('d', 2400, true), 'awaiting'],
    [downloading('d', 2500, false), 'awaiting'],
    [wake(5200), 'awaiting'],
    [sourceFailed(6000), 'waiting', I_NEED, wake(6060)],
  ],
  '156: a growing copy is read to its end, whatever is offered meanwhile': [
    ...FOLLOWING,
    [iHave('h', 2300), 'awaiting'],
    [complete('d', 2400), 'awaiting'],
    [complete('d', 2500, false), 'awaiting'],
    [RETRIEVED, 'done', INFORM_SERVER],
  ],
  '156 → 158: the growing copy breaks off, an alternate has the rest': [
    ...FOLLOWING,
    [iHave('h', 2300), 'awaiting'],
    [sourceFailed(2400), 'found', retrieve('h')],
  ],
  '156 → 158: the downloader gives up, an alternate has the rest': [
    ...FOLLOWING,
    [iHave('h', 2300), 'awaiting'],
    [downloadFailed('d', 2400), 'found', retrieve('h')],
  ],
  '156: the growing copy breaks off, another one is read on where nobody is asked again': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [downloading('d', 10), 'retrieving', secondFetcher('d')],
    [downloading('e', 20), 'retrieving', secondFetcher('e')],
    [sourceFailed(30), 'awaiting', follow('d')],
    [sourceFailed(40), 'awaiting', follow('e')],
  ],
  '156 → 144 → 156: the growing copy breaks off; another download says again that it runs': [
    ...FOLLOWING,
    [downloading('e', 2300), 'awaiting'],
    [downloading('f', 2310), 'awaiting'],
    [sourceFailed(2400), 'waiting', I_NEED, wake(2460)],
    [downloading('f', 2410), 'waiting'],
    [wake(2460), 'awaiting', I_FOUND, follow('f')],
  ],
  '156 → 144 → 150: the growing copy breaks off; all who read it ask, and nobody else has it (R5.3)': [
    ...FOLLOWING,
    [sourceFailed(2400), 'waiting', I_NEED, wake(2460)],
    [wake(2460), 'retrieving', INTERNET],
  ],
  '156 → 144 → 150 → 156: the growing copy was only silent: it counts again beside the own one, and not after a second silence':
    [
      ...FOLLOWING,
      [sourceSilent(2400), 'waiting', I_NEED, wake(2460)],
      [downloading('d', 2410), 'waiting'],
      [wake(2460), 'retrieving', INTERNET],
      [downloading('d', 2900), 'retrieving', secondFetcherOnceSilent({ peer: 'd', readable: true })],
      [changeOver(2910), 'awaiting', follow('d')],
      [sourceSilent(3400), 'waiting', I_NEED, wake(3460)],
      [wake(3460), 'retrieving', INTERNET],
      [downloading('d', 3900), 'retrieving'],
    ],
  '156 → 150 → 156: of one that asked as well it counts after each silence, once it has shown that it sends':
    [
      ...ASK,
      [fetching('d', 2150), 'waiting'],
      [wake(2200), 'awaiting', I_FOUND, followFetching('d')],
      ...[2400, 3400].flatMap((ms): Lines => [
        [sourceSilent(ms), 'waiting', I_NEED, wake(ms + 60)],
        [wake(ms + 60), 'retrieving', INTERNET],
        [fetching('d', ms + 500), 'retrieving', secondFetcherOnceSilent(FETCHING)],
        [changeOver(ms + 510), 'awaiting', followFetching('d')],
      ]),
      [sourceFailed(5400), 'waiting', I_NEED, wake(5460)],
      [wake(5460), 'retrieving', INTERNET],
      [fetching('d', 5900), 'retrieving'],
    ],
  '150 → 156: who was tried has left the Internet meanwhile for a third one, and is read': [
    ...INTERNET_AFTER_TIME_OUT,
    [fetching('d', 2300), 'retrieving', { kind: 'second-fetcher', downloader: FETCHING }],
    [downloadFailed('d', 2350), 'retrieving'],
    [{ ...changeOver(2400), tried: FETCHING }, 'awaiting', followFetching('d')],
  ],
  '156 → 144 → 156: the downloader gives up; another of those who read it goes on': [
    ...FOLLOWING,
    [downloadFailed('d', 2400), 'waiting', I_NEED, wake(2460)],
    [promising('e', 2460, 300), 'waiting'],
    [wake(2460), 'awaiting', I_FOUND, wake(2760)],
    [downloading('e', 2500), 'awaiting', follow('e')],
  ],
  '156 → 144: a downloader that could only not be reached may be read again': [
    ...FOLLOWING,
    [sourceLost(2400), 'waiting', I_NEED, wake(2460)],
    [downloading('d', 2410), 'waiting'],
    [wake(2460), 'awaiting', I_FOUND, follow('d')],
  ],
  '156 → 158, 156 → 156: the way to it is lost, another source is known': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [downloading('d', 10), 'retrieving', secondFetcher('d')],
    [downloading('e', 20), 'retrieving', secondFetcher('e')],
    [sourceFailed(30), 'awaiting', follow('d')],
    [sourceLost(40), 'awaiting', follow('e')],
    [iHave('h', 50), 'awaiting'],
    [sourceLost(60), 'found', retrieve('h')],
  ],
  '156 → 150: nobody is asked again where nobody would be waited for': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [downloading('d', 10), 'retrieving', secondFetcher('d')],
    [sourceFailed(20), 'awaiting', follow('d')],
    [sourceFailed(30), 'retrieving', INTERNET],
  ],
  '156 → 150: after three take-overs nobody is asked any more': [
    ...FOLLOWING,
    [sourceLost(3000), 'waiting', I_NEED, wake(3060)],
    [downloading('e', 3010), 'waiting'],
    [wake(3060), 'awaiting', I_FOUND, follow('e')],
    [sourceLost(4000), 'waiting', I_NEED, wake(4060)],
    [downloading('e', 4010), 'waiting'],
    [wake(4060), 'awaiting', I_FOUND, follow('e')],
    [sourceLost(5000), 'waiting', I_NEED, wake(5060)],
    [downloading('e', 5010), 'waiting'],
    [wake(5060), 'awaiting', I_FOUND, follow('e')],
    [sourceLost(6000), 'retrieving', INTERNET],
  ],
  '158: the way to a holder is lost: an alternate, or a running download': [
    ...FOUND,
    [iHave('i', 2300), 'found'],
    [downloading('d', 2300), 'found'],
    [sourceLost(2400), 'found', retrieve('i')],
    [sourceLost(2500), 'awaiting', follow('d')],
  ],
  '158 → 144: the way to the only holder is lost, whom "I found" has silenced is asked again': [
    ...FOUND,
    [sourceLost(2400), 'waiting', I_NEED, wake(2460)],
    [iHave('i', 2410), 'found', I_FOUND, retrieve('i')],
  ],
  '158: who answers first, and has no copy, is used twice and no more': [
    [need({ waitMs: 60 }), 'waiting', I_NEED, wake(60)],
    [iHave('liar', 1), 'found', I_FOUND, retrieve('liar')],
    [sourceLost(2), 'waiting', I_NEED, wake(62)],
    [iHave('liar', 3), 'found', I_FOUND, retrieve('liar')],
    [sourceLost(4), 'waiting', I_NEED, wake(64)],
    [iHave('liar', 5), 'waiting'],
    [iHave('h', 20), 'found', I_FOUND, retrieve('h')],
  ],
  '158 → 150: the same, and nobody would be waited for': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [iHave('h', 10), 'retrieving', lateOffer('h')],
    [changeOver(20, 'h'), 'found', retrieve('h')],
    [sourceLost(30), 'retrieving', INTERNET],
  ],
  'liars: 158 → 144: the same, while it is agreed on who fetches, as long as that may take': [
    ...FOUND,
    [agree(500), 'waiting', I_NEED, wake(560)],
    [askerHas('a', 520), 'found', I_FOUND, retrieveFromAsker('a')],
    [sourceLost(530), 'waiting', I_NEED, wake(750)],
    [askerHas('b', 600), 'found', I_FOUND, retrieveFromAsker('b')],
    [sourceLost(750), 'retrieving', INTERNET],
  ],
  '156 → 144: "download complete" without a place is followed by "I need", long enough for a node of the patents':
    [
      ...AWAITING,
      [complete('d', 3000, false), 'waiting', I_NEED, wake(3000 + PLAIN_WAIT_MS)],
      [iHave('d', 3500), 'found', I_FOUND, retrieve('d')],
    ],
  '156 → 150: the second "I need" is the last': [
    ...AWAITING,
    [complete('d', 3000, false), 'waiting', I_NEED, wake(5200)],
    [downloading('d', 3100, false), 'waiting'],
    [wake(5200), 'awaiting', I_FOUND, wake(8200)],
    [complete('d', 6000, false), 'retrieving', INTERNET],
  ],
  '156: complete without a place for the second time, another downloader comes next': [
    ...AWAITING,
    [complete('d', 3000, false), 'waiting', I_NEED, wake(5200)],
    [downloading('d', 3100, false), 'waiting'],
    [downloading('e', 3100, false), 'waiting'],
    [wake(5200), 'awaiting', I_FOUND, wake(8200)],
    [complete('d', 6000, false), 'awaiting', wake(9000)],
  ],
  '152: a copy that can be read comes before one that is only promised': [
    ...ASK,
    [downloading('d', 100, false), 'waiting'],
    [downloading('e', 200, true), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, follow('e')],
  ],
  '156 → 150: three copies that never come are waited for, not a fourth': [
    ...ASK,
    ...['a', 'b', 'c', 'd'].map((peer): Lines[number] => [downloading(peer, 100, false), 'waiting']),
    [wake(2200), 'awaiting', I_FOUND, wake(5200)],
    [wake(5200), 'awaiting', wake(8200)],
    [wake(8200), 'awaiting', wake(11_200)],
    [wake(11_200), 'retrieving', INTERNET],
  ],
  '156: progress that does not grow does not lengthen the wait': [
    ...ASK,
    [growing('d', 100, 10), 'waiting'],
    [wake(2200), 'awaiting', I_FOUND, wake(5200)],
    [growing('d', 4000, 10), 'awaiting'],
    [wake(5200), 'retrieving', INTERNET],
  ],
  '144: a download that is complete before the wait is over is asked for again': [
    ...ASK,
    [downloading('d', 100, false), 'waiting'],
    [complete('d', 2000, false), 'waiting', I_NEED, wake(4200)],
    [wake(2200), 'waiting', wake(4200)],
  ],
  '144: "download complete" without a place from somebody unknown changes nothing': [
    ...ASK,
    [complete('x', 2000, false), 'waiting'],
  ],
  '144 → 146 → 158: "download complete" with a place is an "I have"': [
    ...ASK,
    [complete('d', 200), 'found', I_FOUND, retrieve('d')],
  ],
  '158: later answers are alternates, each tried once (R4.2, R4.4)': [
    ...FOUND,
    [iHave('i', 150), 'found'],
    [complete('j', 150), 'found'],
    [iHave('i', 160), 'found'],
    [sourceFailed(200), 'found', retrieve('i')],
    [sourceFailed(300), 'found', retrieve('j')],
    [sourceFailed(400), 'waiting', I_NEED, wake(460)],
    [wake(460), 'retrieving', INTERNET],
  ],
  '158: an "I have" that the network doubled is no alternate to itself': [
    ...FOUND,
    [iHave('h', 101), 'found'],
    [sourceFailed(200), 'waiting', I_NEED, wake(260)],
    [wake(260), 'retrieving', INTERNET],
  ],
  'a peer that failed is not used again, whatever it says': [
    ...FOUND,
    [sourceFailed(200), 'waiting', I_NEED, wake(260)],
    [iHave('h', 250), 'waiting'],
    [wake(260), 'retrieving', INTERNET],
    [iHave('h', 300), 'retrieving'],
    [downloading('h', 300), 'retrieving'],
    [complete('h', 300), 'retrieving'],
    [sourceFailed(400), 'failed', FAILURE],
  ],
  '158 → 144 → 156: the holder fails, and a running download that says so again is read instead': [
    ...FOUND,
    [downloading('d', 150), 'found'],
    [sourceFailed(200), 'waiting', I_NEED, wake(260)],
    [downloading('d', 210), 'waiting'],
    [wake(260), 'awaiting', I_FOUND, follow('d')],
  ],
  '158 → 144: so often and no more; then what is known, at last the Internet': [
    ...FOUND,
    ...Array.from({ length: MAX_TAKE_OVERS }, (_, time): Lines => [
      [sourceFailed(200 + 100 * time), 'waiting', I_NEED, wake(260 + 100 * time)],
      [iHave(`i${time}`, 210 + 100 * time), 'found', I_FOUND, retrieve(`i${time}`)],
    ]).flat(),
    [downloading('d', 550), 'found'],
    [sourceFailed(600), 'awaiting', follow('d')],
  ],
  '158 → 150: a question that waits for nobody is not asked again': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [iHave('h', 300), 'retrieving', lateOffer('h')],
    [changeOver(301), 'found', retrieve('h')],
    [sourceFailed(400), 'retrieving', INTERNET],
  ],
  '158: a download that failed meanwhile is no alternate': [
    ...FOUND,
    [downloading('d', 150), 'found'],
    [downloadFailed('d', 160), 'found'],
    [downloadFailed('d', 170), 'found'],
    [sourceFailed(200), 'waiting', I_NEED, wake(260)],
    [wake(260), 'retrieving', INTERNET],
  ],
  '150: a late "I have" is offered to the owner, who may change over (R5.4)': [
    ...INTERNET_AFTER_TIME_OUT,
    [iHave('h', 2300), 'retrieving', lateOffer('h')],
    [changeOver(2301), 'found', retrieve('h')],
    [sourceFailed(2400), 'waiting', I_NEED, wake(2460)],
    [wake(2460), 'retrieving', INTERNET],
  ],
  '150 → 156: another node fetches it too; the owner gives up, and reads that one': [
    ...INTERNET_AFTER_TIME_OUT,
    [downloading('d', 2300), 'retrieving', secondFetcher('d')],
    [changeOver(2301), 'awaiting', follow('d')],
  ],
  '150 → 144 → 158: what peers had begun was wrong, and all who are there ask once more; who has it by now is read':
    [
      ...INTERNET_AFTER_TIME_OUT,
      [inVain(2400), 'waiting', I_NEED, wake(2460)],
      [iHave('h', 2410), 'found', I_FOUND, retrieve('h')],
    ],
  '150 → 144 → 156: the same, and promises are waited for as long as patience lasts': [
    ...INTERNET_AFTER_TIME_OUT,
    [inVain(2400, 200), 'waiting', I_NEED, wake(2460)],
    [askerPromising('d', 2410, 900), 'waiting'],
    [wake(2460), 'awaiting', I_FOUND, wake(2600)],
  ],
  '150 → 144 → 150: the same, and nobody is waited for where patience is at its end': [
    ...INTERNET_AFTER_TIME_OUT,
    [inVain(2400), 'waiting', I_NEED, wake(2460)],
    [askerPromising('d', 2410, 900), 'waiting'],
    [wake(2460), 'retrieving', INTERNET],
  ],
  '150 → 158: what peers had begun was wrong, and one has offered itself meanwhile': [
    ...INTERNET_AFTER_TIME_OUT,
    [iHave('h', 2300), 'retrieving', lateOffer('h')],
    [inVain(2400), 'found', retrieve('h')],
  ],
  '150 → 150, 156: the same of a question that waits for nobody': [
    [need({ waitMs: 0 }), 'retrieving', I_NEED, INTERNET],
    [inVain(300), 'retrieving', INTERNET],
    [downloading('d', 310), 'retrieving', secondFetcher('d')],
    [inVain(400), 'awaiting', follow('d')],
    [inVain(500), 'awaiting'],
  ],
  '150: a late offer that is gone when the owner changes over leaves the Internet': [
    ...INTERNET_AFTER_TIME_OUT,
    [changeOver(2301), 'retrieving', INTERNET],
  ],
  '150 → 158: the Internet fails, a late "I have" or "download complete" is the last hope': [
    ...INTERNET_AFTER_TIME_OUT,
    [complete('h', 2300), 'retrieving', lateOffer('h')],
    [sourceFailed(2400), 'found', retrieve('h')],
  ],
  '150 → 156: the Internet fails, a running download is the last hope': [
    ...INTERNET_AFTER_TIME_OUT,
    [downloading('d', 2300), 'retrieving', secondFetcher('d')],
    [downloading('e', 2300), 'retrieving', secondFetcher('e')],
    [downloadFailed('e', 2350), 'retrieving'],
    [sourceFailed(2400), 'awaiting', follow('d')],
    [sourceFailed(2500), 'waiting', I_NEED, wake(2560)],
    [wake(2560), 'retrieving', INTERNET],
    [sourceFailed(2600), 'failed', FAILURE],
    [RETRIEVED, 'failed'],
    [ABANDONED, 'failed'],
  ],
  '144 → 142: nobody waits any more': [...ASK, [ABANDONED, 'done']],
  '150 → 142: nobody waits any more': [...INTERNET_AFTER_TIME_OUT, [ABANDONED, 'done']],
  '156 → 142: nobody waits any more': [...FOLLOWING, [ABANDONED, 'done']],
  '158 → 142: nobody waits any more': [...FOUND, [ABANDONED, 'done']],
})

const PEERS = ['p', 'q', 'r', 's']

const settings = fc.record({
  waitMs: fc.constantFrom(0, 50, 2200),
  directedMs: fc.constantFrom(0, 20),
  waitForDownloads: fc.boolean(),
  silenceMs: fc.constantFrom(500, 3000),
})

function anyEvent(now: number): fc.Arbitrary<Event> {
  const peer = fc.constantFrom(...PEERS)
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(wake(now)) },
    { weight: 3, arbitrary: peer.map((each) => iHave(each, now)) },
    {
      weight: 3,
      arbitrary: fc.tuple(peer, fc.boolean()).map(([each, readable]) => downloading(each, now, readable)),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(peer, fc.boolean()).map(([each, isLocated]) => complete(each, now, isLocated)),
    },
    { weight: 2, arbitrary: peer.map((each) => downloadFailed(each, now)) },
    { weight: 1, arbitrary: peer.map((each) => failedForEach(each, now)) },
    { weight: 3, arbitrary: fc.constant(sourceFailed(now)) },
    { weight: 1, arbitrary: fc.constant<Event>({ ...sourceFailed(now), patientUntil: at(now + 200) }) },
    { weight: 2, arbitrary: fc.constant(sourceLost(now)) },
    { weight: 1, arbitrary: fc.constant(changeOver(now)) },
    { weight: 1, arbitrary: fc.constant(agree(now)) },
    { weight: 1, arbitrary: fc.constant(leaveWait(now)) },
    { weight: 2, arbitrary: peer.map((each) => fetching(each, now)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        RETRIEVED,
        ABANDONED,
        ENOUGH,
        need(),
        busy(),
        busy(now + 200),
        inVain(now, 100),
      ),
    },
  )
}

const histories = fc
  .tuple(settings, fc.array(fc.nat(2000), { maxLength: 40, size: 'max' }))
  .chain(([chosen, gaps]) => {
    let now = 0
    const events = gaps.map((gap) => anyEvent((now += gap)))
    return fc.tuple(fc.constant(need(chosen)), ...events)
  })

/** What is in use, as its owner sees it; judges each step. */
class Watch {
  inUse: string | undefined
  questions = 0
  found = 0

  see(before: State, event: Event, after: State, commands: readonly Command[]): void {
    if (isInquiryOver(before)) assert.deepEqual([after, commands], [before, []], 'an end is an end')
    this.#release(before, event)
    for (const command of commands) this.#command(command)
    if ('at' in event)
      for (const command of commands)
        if (command.kind === 'wake') assert.ok(command.at >= event.at, 'a wake-up in the past')
  }

  /** The events by which a source goes out of use. */
  #release(state: State, event: Event): void {
    const isLost = event.kind === 'source-lost' && state.kind !== 'retrieving'
    const isEnough =
      (event.kind === 'enough' || event.kind === 'agree') &&
      (state.kind === 'found' || state.kind === 'awaiting')
    const isVain = event.kind === 'in-vain' && state.kind === 'retrieving'
    const isGivenUp =
      event.kind === 'source-failed' || isVain || isLost || isEnough || event.kind === 'change-over'
    const isFollowed =
      state.kind === 'awaiting' && event.kind === 'download-failed' && event.peer === state.on.peer
    if (
      isFollowed ||
      (isGivenUp && state.kind !== 'waiting' && (event.kind !== 'change-over' || state.kind === 'retrieving'))
    )
      this.inUse = undefined
  }

  #command(command: Command): void {
    switch (command.kind) {
      case 'broadcast-request':
      case 'directed-request':
        return void this.questions++
      case 'broadcast-end-request':
        this.found++
        return assert.ok(this.found <= this.questions, '"I found" twice for one question')
      case 'retrieve':
        return this.#use(command.holder.peer)
      case 'follow':
        return this.#use(command.downloader.peer)
      case 'retrieve-from-internet':
        return this.#use('the Internet')
      case 'second-fetcher':
      case 'late-offer':
        return assert.equal(this.inUse, 'the Internet', 'a late offer to one who is not on the Internet')
      case 'wake':
      case 'inform-server':
      case 'report-failure':
    }
  }

  #use(source: string): void {
    assert.equal(this.inUse, undefined, `${source}, while ${this.inUse} is in use`)
    this.inUse = source
  }
}

/** Plays a history, each step listed and watched. */
function runWatched(history: readonly Event[]): { readonly state: State; readonly watch: Watch } {
  const watch = new Watch()
  let state: State = initialInquiry
  for (const event of history) {
    const step = stepListed(machine, state, event)
    watch.see(state, event, step.state, step.commands)
    state = step.state
  }
  return { state, watch }
}

test('whatever happens: listed transitions, one source at a time, one "I found" per question, no wake-up in the past', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { watch } = runWatched(history)
      assert.ok(watch.questions <= 3 + MAX_TAKE_OVERS)
    }),
    { numRuns: 2000 },
  )
})

test('when from then on every source fails and nobody says anything, the question ends', () => {
  fc.assert(
    fc.property(histories, (history) => {
      let { state } = runWatched(history)
      let now = 1_000_000
      for (let step = 0; step < 4 * PEERS.length + 8 && !isInquiryOver(state); step++) {
        now += 10_000
        for (const event of [wake(now), sourceFailed(now)]) state = stepListed(machine, state, event).state
      }
      assert.ok(isInquiryOver(state), `left in ${state.kind}`)
    }),
    { numRuns: 1000 },
  )
})

test('a peer that failed while it was in use is never used again', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const failed: string[] = []
      let state: State = initialInquiry
      let inUse = ''
      for (const event of history) {
        const isReading = state.kind === 'found' || (state.kind === 'awaiting' && state.on.readable)
        if (event.kind === 'source-failed' && isReading) failed.push(inUse)
        const step = stepListed(machine, state, event)
        for (const command of step.commands) {
          if (command.kind !== 'retrieve' && command.kind !== 'follow') continue
          inUse = command.kind === 'retrieve' ? command.holder.peer : command.downloader.peer
          assert.ok(!failed.includes(inUse), `${inUse} again`)
        }
        state = step.state
      }
    }),
    { numRuns: 1000 },
  )
})

test('an owner that needs no peer, and an Internet that fails, come to an end, whoever has answered', () => {
  for (const answer of [iHave('h'), askerHas('h', 100), fetching('h', 100), downloading('h')]) {
    let state: State = initialInquiry
    let asked = 0
    const take = (event: Event): void => {
      const made = stepListed(machine, state, event)
      state = made.state
      for (const { kind } of made.commands) {
        if (kind === 'retrieve' || kind === 'follow') take(ENOUGH)
        if (kind !== 'retrieve-from-internet') continue
        assert.ok(++asked <= 3, `the Internet was asked ${asked} times`)
        take(sourceFailed(300))
      }
    }
    for (const event of [need(), answer, wake(2200)]) take(event)
    assert.equal(state.kind, 'failed')
  }
})
