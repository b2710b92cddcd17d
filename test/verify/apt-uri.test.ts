import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { listedKey, packageKey } from '../../verify/apt-uri.ts'

const REPOSITORY = 'http://deb.example/debian/'

const SAME: readonly (readonly [filename: string, requested: string])[] = [
  ['pool/g/g++_12_amd64.deb', 'http://deb.example/debian/pool/g/g%2b%2b_12_amd64.deb'],
  ['pool/g/g++_12_amd64.deb', 'http://deb.example/debian/pool/g/g%2B+_12_amd64.deb'],
  ['pool/g/g++_12_amd64.deb', 'HTTP://DEB.example:80/debian/./pool/x/../g/g++_12_amd64.deb#f'],
  ['pool/f/f_1~rc1_all.deb', 'http://deb.example/debian/pool/f/f_1%7erc1_all.deb'],
  ['pool/f/f_1%3a2_all.deb', 'http://deb.example/debian/pool/f/f_1%253a2_all.deb'],
  ['pool/f/f_1:2_all.deb', 'http://deb.example/debian/pool/f/f_1%3a2_all.deb'],
  ['pool/f/f [x].deb', 'http://deb.example/debian/pool/f/f%20%5bx%5d.deb'],
  ['pool/f/f?.deb', 'http://deb.example/debian/pool/f/f%3f.deb'],
  ['pool/ü/ü.deb', 'http://deb.example/debian/pool/%c3%bc/%C3%BC.deb'],
  ['./f_1.deb', 'http://deb.example/debian/f_1.deb'],
  ['pool/d/d-udeb_1.udeb', 'http://deb.example/debian/pool/d/d-udeb_1.udeb'],
]

for (const [filename, requested] of SAME) {
  test(`${filename} in a list is ${requested} on the wire`, () => {
    assert.notEqual(packageKey(target(requested)), undefined)
    assert.equal(packageKey(target(requested)), listedKey(REPOSITORY, filename))
  })
}

const DIFFERENT: readonly (readonly [filename: string, requested: string])[] = [
  ['pool/a/b.deb', 'http://deb.example/debian/pool/a%2fb.deb'],
  ['pool/a%2bb.deb', 'http://deb.example/debian/pool/a%2bb.deb'],
  ['pool/a.deb', 'https://deb.example/debian/pool/a.deb'],
  ['pool/a.deb', 'http://deb.example:8080/debian/pool/a.deb'],
  ['pool/a.deb', 'http://deb.example/debian/pool/A.deb'],
]

for (const [filename, requested] of DIFFERENT) {
  test(`${filename} in a list is not ${requested}`, () => {
    assert.notEqual(packageKey(target(requested)), listedKey(REPOSITORY, filename))
  })
}

for (const filename of [
  '../other/a.deb',
  'pool/../../other/a.deb',
  '%2e%2e/other/a.deb'.replaceAll('%2e', '.'),
]) {
  test(`an index does not speak for ${filename}, outside its repository`, () => {
    assert.equal(listedKey(REPOSITORY, filename), undefined)
  })
}

for (const repository of [
  'file:/srv/debian/',
  'http://user:secret@deb.example/debian/',
  'http://deb.example/debian',
]) {
  test(`${repository} is no repository that this proxy could serve`, () => {
    assert.equal(listedKey(repository, 'pool/a.deb'), undefined)
  })
}

for (const uri of [
  'http://deb.example/debian/dists/sid/InRelease',
  'http://deb.example/a.deb?x',
  'http://a.example/',
]) {
  test(`${uri} does not look like a package`, () => assert.equal(packageKey(target(uri)), undefined))
}

function target(text: string): TargetUri {
  const uri = parseTargetUri(text)
  assert.ok(uri, text)
  return uri
}
