import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MAX_PATH,
  MAX_RELAYS,
  parseRelay,
  placeOfRelay,
  pathField,
  pathOf,
  relayField,
  relayOfRequest,
  relaysField,
  relaysOf,
  type Relay,
} from '../../peering/relay-fields.ts'
import { address, ALIAS, nodeId } from './fixtures.ts'

const RELAY = `10.0.0.7:6515/${ALIAS}` as Relay

test('a reader says under which name it passes on what it receives; the address is where it asks from', () => {
  const fields = relayField(6515, ALIAS)
  assert.equal(relayOfRequest(fields, address(7)), RELAY)
  assert.equal(relayOfRequest([], address(7)), undefined)
  assert.deepEqual(placeOfRelay(RELAY), { address: '10.0.0.7', port: 6515 })
})

test('nothing but an IPv4 address, a port and an alias is a relay', () => {
  assert.equal(parseRelay(RELAY), RELAY)
  const nonsense = [
    '',
    `10.0.0.7:6515/${ALIAS}0`,
    `10.0.0.7:6515/${ALIAS.toUpperCase()}`,
    `10.0.0.7:6515/../${ALIAS}`,
    `10.0.0.256:6515/${ALIAS}`,
    `10.0.0.7:0/${ALIAS}`,
    `10.0.0.7:65536/${ALIAS}`,
    `10.0.0.7/${ALIAS}`,
    `user@10.0.0.7:6515/${ALIAS}`,
    `localhost:6515/${ALIAS}`,
    `[::1]:6515/${ALIAS}`,
    ` 10.0.0.7:6515/${ALIAS}`,
  ]
  for (const text of nonsense) assert.equal(parseRelay(text), undefined, text)
})

test('relays are read back as they were written; nonsense among them is passed over', () => {
  const other = `10.0.0.8:1/${ALIAS}` as Relay
  assert.deepEqual(relaysOf(relaysField([RELAY, other])), [RELAY, other])
  assert.deepEqual(relaysOf([['ihave-relays', `nonsense, ${RELAY},, ${other}`]]), [RELAY, other])
  assert.deepEqual(relaysField([]), [])
})

test('more relays than anybody asks are neither sent nor read', () => {
  const many = Array.from({ length: MAX_RELAYS + 5 }, (_, at) => `10.0.0.${at}:6515/${ALIAS}` as Relay)
  assert.equal(relaysOf(relaysField(many)).length, MAX_RELAYS)
  assert.equal(relaysOf([['Ihave-Relays', many.join(',')]]).length, MAX_RELAYS)
})

test('a path is read back as it was written', () => {
  const path = [nodeId(1), nodeId(2)]
  assert.deepEqual(pathOf(pathField(path)), path)
  assert.equal(pathOf([]), undefined)
})

test('a path that is none, or longer than any, is not believed', () => {
  const long = Array.from({ length: MAX_PATH + 1 }, (_, at) => nodeId(at)).join(', ')
  for (const text of ['', 'x', `${nodeId(1)}, x`, long])
    assert.equal(pathOf([['Ihave-Path', text]]), undefined, text)
})
