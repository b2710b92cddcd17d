import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { MAX_HELD_MS, MAX_OPERATIONS, MAX_WAITING, WriteBatch } from '../../cache/write-batch.ts'
import { manualClock } from '../manual-clock.ts'
import { turns } from './store-fixtures.ts'

/** A database of one table with a row of 1000 bytes for each number that is put in. */
function scene(test: TestContext) {
  const database = new DatabaseSync(':memory:')
  test.after(() => database.close())
  database.exec('CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER UNIQUE, filler BLOB)')
  const clock = manualClock()
  const commits: number[] = []
  const real = database.exec.bind(database)
  let turn = 0
  const lost: number[] = []
  database.exec = (sql) => {
    // As a full disk does it: the transaction is rolled back.
    if (sql === 'COMMIT' && disk.isFull) {
      real('ROLLBACK')
      throw new Error('full')
    }
    real(sql)
    if (sql === 'COMMIT') commits.push(turn)
  }
  const disk = { isFull: false }
  const batch = new WriteBatch({
    database: () => database,
    guarded: (work) => work(),
    lost: () => lost.push(rows().length),
    now: () => clock.monotonic(),
  })
  const put = (n: number) =>
    batch.run(() => Number(database.prepare('INSERT INTO rows (n) VALUES (?)').run(n).lastInsertRowid))
  const rows = () =>
    database
      .prepare('SELECT id, n FROM rows')
      .all()
      .map(({ id, n }) => `${Number(id)}:${Number(n)}`)
  const nextTurn = async () => {
    await turns(1)
    turn += 1
  }
  return { database, batch, disk, commits, lost, put, rows, nextTurn, clock }
}

describe('writes to the index', () => {
  it('of one turn are one transaction, seen at once', async (test) => {
    const { put, rows, commits, batch, database } = scene(test)
    for (let n = 10; n < 15; n += 1) put(n)
    assert.equal(rows().length, 5)
    assert.ok(database.isTransaction)
    await batch.committed()
    assert.ok(!database.isTransaction)
    assert.equal(commits.length, 1)
    await batch.committed()
  })

  it('that go on are committed after some time all the same, however long the turns are', async (test) => {
    for (const turnMs of [0.5, 10, 2 * MAX_HELD_MS]) {
      const { put, commits, nextTurn, clock } = scene(test)
      const count = Math.ceil((4 * MAX_HELD_MS) / turnMs)
      for (let n = 0; n < count; n += 1) {
        put(n)
        clock.advance(turnMs)
        await nextTurn()
      }
      const [fewest, most] = turnMs < MAX_HELD_MS ? [3, 5] : [count - 1, count + 1]
      assert.ok(commits.length >= fewest && commits.length <= most, `${commits.length} commits`)
    }
  })

  it('are committed when they are very many, in one turn too', (test) => {
    const { put, commits } = scene(test)
    for (let n = 0; n < 2 * MAX_OPERATIONS; n += 1) put(n)
    assert.equal(commits.length, 2)
  })

  it('are committed when asked', (test) => {
    const { put, batch, database } = scene(test)
    put(1)
    batch.commit()
    assert.ok(!database.isTransaction)
    batch.commit()
  })

  it('are done as a whole or not at all, and leave the others as they are', (test) => {
    const { batch, database, put, rows } = scene(test)
    put(1)
    assert.throws(
      () =>
        batch.run(() => {
          database.exec('INSERT INTO rows (n) VALUES (2)')
          database.exec('INSERT INTO rows (n) VALUES (1)')
        }),
      /UNIQUE/,
    )
    assert.equal(put(3), 2)
    batch.commit()
    assert.deepEqual(rows(), ['1:1', '2:3'])
  })

  it('alone and failing leave no transaction behind', (test) => {
    const { batch, database } = scene(test)
    assert.throws(() => batch.run(() => database.exec('nonsense')))
    assert.ok(!database.isTransaction)
  })

  it('that cannot be committed are told, stay to be seen under the same ids, and are committed later', async (test) => {
    const { batch, database, disk, put, rows, commits } = scene(test)
    put(5)
    batch.commit()
    disk.isFull = true
    put(6)
    const first = batch.committed()
    await assert.rejects(first, /full/)
    await assert.rejects(batch.committed(), /full/)
    put(7)
    assert.throws(() => batch.commit(), /full/)
    assert.deepEqual(rows(), ['1:5', '2:6', '3:7'])
    disk.isFull = false
    await batch.committed()
    assert.ok(!database.isTransaction)
    assert.deepEqual(rows(), ['1:5', '2:6', '3:7'])
    assert.equal(commits.length, 2)
  })

  it('are given up when too many wait for a disk that stays full', async (test) => {
    const { batch, disk, put, rows, lost } = scene(test)
    put(0)
    batch.commit()
    disk.isFull = true
    for (let n = 1; n <= MAX_WAITING; n += 1) put(n)
    assert.throws(() => batch.commit(), /full/)
    assert.equal(rows().length, MAX_WAITING + 1)
    put(MAX_WAITING + 1)
    const waiting = batch.committed()
    assert.throws(() => batch.commit(), /full/)
    await assert.rejects(waiting, /full/)
    assert.deepEqual(lost, [1])
    assert.deepEqual(rows(), ['1:0'])
    disk.isFull = false
    put(1)
    await batch.committed()
  })

  it('that remove something are not given up with the others, and those that remove nothing any more are', async (test) => {
    const { batch, database, disk, put, rows, lost } = scene(test)
    for (const n of [1, 2]) put(n)
    batch.commit()
    disk.isFull = true
    let removals = 0
    const remove = (n: number) =>
      batch.run(() => {
        removals += 1
        database.exec(`DELETE FROM rows WHERE n = ${n}`)
      }, true)
    remove(1)
    for (let n = 3; n <= MAX_WAITING + 3; n += 1) put(n)
    remove(3)
    assert.throws(() => batch.commit(), /full/)
    assert.deepEqual([rows(), lost], [['2:2'], [1]])
    removals = 0
    put(4)
    assert.throws(() => batch.commit(), /full/)
    assert.equal(removals, 1, 'what was put in and removed again is forgotten')
    disk.isFull = false
    await batch.committed()
    assert.deepEqual(
      rows().map((row) => row.split(':')[1]),
      ['2', '4'],
    )
  })

  it('are given up when they cannot be repeated', (test) => {
    const { batch, database, disk, lost, rows } = scene(test)
    let times = 0
    batch.run(() => {
      times += 1
      if (times > 1) throw new Error('not again')
      database.exec('INSERT INTO rows (n) VALUES (1)')
    })
    disk.isFull = true
    assert.throws(() => batch.commit(), /not again/)
    assert.deepEqual(lost, [0])
    assert.deepEqual(rows(), [])
    assert.ok(!database.isTransaction)
  })

  it('end with a database that is lost, and nobody waits for ever', async (test) => {
    const { batch, database, put } = scene(test)
    put(1)
    const waiting = batch.committed()
    database.exec('ROLLBACK')
    batch.forget()
    await assert.rejects(waiting, /lost/)
    put(1)
    await batch.committed()
  })
})
