// The rule tables: bad inputs, each refused with the field and the reason, and without a trace in the database.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startNatsid } from './natsid.mjs';
import { until } from './processes.mjs';

export const path = (collection, id) => `/api/collections/${collection}/records${id ? `/${id}` : ''}`;

// ---- what a database holds ------------------------------------------------------------

async function sqlite(dataDir, commands) {
  const { stdout } = await promisify(execFile)('sqlite3', ['-readonly', join(dataDir, 'natsid.db'), ...commands]);
  return stdout.split('\n').slice(0, -1);
}

/**
 * Every row of every table, by a hash for each table: generations, JWTs and the audit among them. Not the settings: the
 * heartbeat is there, which follows the write of the row before.
 */
async function contents(dataDir) {
  const names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'settings' ORDER BY name";
  const tables = await sqlite(dataDir, [names]);
  const hashes = await sqlite(dataDir, tables.flatMap((table) => [`SELECT count(*) FROM "${table}"`, `.sha3sum ${table}`]));
  return Object.fromEntries(tables.map((table, i) => [table, `${hashes[2 * i]} rows, ${hashes[2 * i + 1]}`]));
}

/** Another value after every commit. */
async function lastWrite(dataDir) {
  const files = await Promise.all(['natsid.db', 'natsid.db-wal'].map((name) => stat(join(dataDir, name), { bigint: true })));
  return files.map(({ size, mtimeNs }) => `${size} ${mtimeNs}`).join();
}

// ---- the world ------------------------------------------------------------------------

/**
 * A daemon without a NATS server, and records that have the ids that the tables speak of: what the file's fill() makes.
 * keys: public keys of accounts by id.
 */
class World {
  keys = {};
  records = {};

  async up(fill) {
    this.daemon = await startNatsid();
    await fill(this);
    // What follows from that, such as minting, must be over before the first look.
    let last;
    await until('the database is at rest', async () => {
      const now = await lastWrite(this.daemon.dataDir);
      const isSame = now === last;
      last = now;
      return isSame;
    }, { every: 300 });
    this.written = last;
    this.contents = await contents(this.daemon.dataDir);
  }

  /** A record that has to be taken. */
  async make(collection, fields) {
    const { status, body, text } = await this.daemon.api('POST', path(collection), fields);
    assert.equal(status, 200, `${JSON.stringify(fields)}: ${text}`);
    this.records[body.id] = body;
    if (collection === 'nats_accounts') this.keys[body.id] = body.public_key;
    return body;
  }

  async change(collection, id, fields) {
    const { status, body, text } = await this.daemon.api('PATCH', path(collection, id), fields);
    assert.equal(status, 200, text);
    this.records[id] = body;
    return body;
  }

  async post(route, fields) {
    const { status, text } = await this.daemon.api('POST', route, fields);
    assert.ok(status === 200 || status === 204, text);
  }

  /** The names of the tables that were written to since the last look. */
  async touched() {
    const { written, contents: before } = this;
    this.written = await lastWrite(this.daemon.dataDir);
    if (this.written === written) return [];
    this.contents = await contents(this.daemon.dataDir);
    return Object.keys(before).filter((table) => before[table] !== this.contents[table]);
  }

  async assertUntouched(body) {
    let problem;
    try {
      await body();
    } catch (error) {
      problem = error;
    }
    const touched = await this.touched();
    if (problem) throw problem;
    assert.deepEqual(touched, []);
  }

  /** Asks for what must be refused; what was made all the same does not stay in the way of the next row. */
  async ask(method, collection, id, fields) {
    const answer = await this.daemon.api(method, path(collection, id), fields);
    if (method === 'POST' && answer.status === 200) await this.daemon.api('DELETE', path(collection, answer.body.id));
    return answer;
  }
}

/** Rows need records of one's own to stand on, so each file has a daemon of its own. */
export function inWorld(name, fill, body) {
  describe(name, () => {
    const world = new World();
    before(() => world.up(fill));
    after(() => world.daemon?.stop());
    body(world);
  });
}

// ---- rows -----------------------------------------------------------------------------

const resolve = (fields, world) => (typeof fields === 'function' ? fields(world) : fields);

function assertRefused(answer, verb, field, code_, reason) {
  assert.equal(answer.status, 400, answer.text);
  if (field === null) {
    assert.deepEqual(answer.body.data, {});
    assert.match(answer.body.message, reason);
    return;
  }
  assert.equal(answer.body.message, `Failed to ${verb} record.`, answer.text);
  assert.deepEqual(Object.keys(answer.body.data), [field], answer.text);
  assert.equal(answer.body.data[field].code, code_, answer.text);
  assert.match(answer.body.data[field].message, reason);
}

/**
 * A test for each row [what, fields, field, code, reason, options]: a creation of `create` with these fields on top and
 * an update of the record `update` with them are refused because of that field (null: because of the record as a whole), for
 * that reason, and the database is as before. fields: an object, or a function of the world that gives one.
 * options: only: 'create' or 'update'; update: the id of another record to update; create: more fields for the creation.
 */
export function refuses(world, { collection, create, update }, rows) {
  test(`${collection}: the creation that the rows spoil is good without`, () => world.assertUntouched(async () => {
    const answer = await world.daemon.api('POST', `${path(collection)}?dry_run=1`, await resolve(create, world));
    assert.equal(answer.status, 200, answer.text);
  }));
  for (const [what, given, field, code_, reason, options = {}] of rows) {
    test(`${collection}: ${what}`, () => world.assertUntouched(async () => {
      const fields = await resolve(given, world);
      if (options.only !== 'update') {
        const sent = { ...(await resolve(create, world)), ...(await resolve(options.create, world)), ...fields };
        assertRefused(await world.ask('POST', collection, null, sent), 'create', field, code_, reason);
      }
      if (options.only !== 'create') {
        const id = await resolve(options.update ?? update, world);
        assertRefused(await world.ask('PATCH', collection, id, fields), 'update', field, code_, reason);
      }
    }));
  }
}
