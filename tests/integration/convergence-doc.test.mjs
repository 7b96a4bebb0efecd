// docs/convergence.md: its commands run as they stand, in their order, and print what the text says.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { blocks, quoted, readDoc, rows, section } from './lib/docs.mjs';
import { freePort, serverBinary } from './lib/nats.mjs';
import { superuser } from './lib/natsid.mjs';
import { launch, root } from './lib/processes.mjs';

const isFree = (port) => new Promise((resolve) => {
  const probe = createServer();
  probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
});

/** All digits but the last of three ports that nobody has: those that end with 1, 2 and 3. */
async function freeTrio() {
  for (;;) {
    const prefix = Math.floor(await freePort() / 10);
    const free = await Promise.all([1, 2, 3].map((digit) => isFree(prefix * 10 + digit)));
    if (free.every(Boolean)) return prefix;
  }
}

describe('docs/convergence.md', () => {
  let text, printed, directory;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'natsid-doc-'));
    text = await readDoc('docs/convergence.md');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** The page's commands, on ports and servers of this run, the login of the README among them. */
  async function script() {
    const login = blocks(await readDoc('README.md'), 'sh').find((block) => block.startsWith('URL='))
      .replace(/^URL=.*$/m, 'URL=http://127.0.0.1:8099').replace('admin@example.com', superuser.email);
    const [clients, routes, api] = [await freeTrio(), await freeTrio(), await freePort()];
    const commands = blocks(text, 'sh').map((block) => `${block}${block.includes('read -rsp') ? login : ''}printf '\n---\n'\n`);
    return ['set -euo pipefail', "trap 'kill $(jobs -p) 2>/dev/null || true; cat natsid.log >&2' EXIT", `export TMPDIR='${directory}'`, `cd '${root}'`, ...commands]
      .join('\n')
      .replace('$(scripts/nats-server)', serverBinary('newest'))
      .replaceAll('admin@example.com', superuser.email)
      .replaceAll(/\b423(?=[123$])/g, clients).replaceAll(/\b623(?=[123$])/g, routes).replaceAll('8099', api);
  }

  test('all of its commands', { timeout: 60_000 }, async () => {
    const { child, output, ended } = launch('bash', ['-c', await script()], { stdio: 'pipe' });
    child.stdin.end(`${superuser.password}\n${superuser.password}\n`);
    assert.deepEqual(await ended, { code: 0, signal: null }, output.stdout + output.stderr);
    printed = output.stdout.split('\n---\n');
  });

  test('leave the ports of scripts/run alone, which may be running', () => {
    const commands = blocks(text, 'sh').join('');
    const [, exported] = /--port (\d+)\$i/.exec(commands);
    const given = [1, 2, 3].map((i) => `${exported}${i}`);
    const named = [...commands.matchAll(/127\.0\.0\.1:(\d{4})\b/g)].map((match) => match[1]);
    assert.deepEqual(['4222', '6222', '8090'].filter((port) => [...given, ...named].includes(port)), []);
    assert.ok(given.every((port) => named.includes(port)));
  });

  test('wait for an answer: no loop takes none for the one that it waits for', async () => {
    const shorthands = text.match(/^(?:is|proven|foreign)\(\) .*$/gm).join('\n');
    const conditions = [...blocks(text, 'sh').join('').matchAll(/\buntil (.*?)(?:; do |$)/gm)].map((match) => match[1]);
    assert.ok(conditions.length >= 5);
    // Neither natsid nor a file is there.
    const nobody = `cd '${directory}'; curl() { :; }; api() { :; }; CLI() { :; }; ${shorthands}\nset -- ANY\n`;
    async function judge(script, condition) {
      const { ended, output } = launch('bash', ['-c', `${script} if ${condition}; then exit 42; fi`], { env: { ...process.env, LC_ALL: 'C' } });
      const { code } = await ended;
      return { code, broken: output.stderr.split('\n').filter((line) => line !== '' && !line.endsWith('No such file or directory')) };
    }
    for (const condition of conditions) assert.deepEqual(await judge(nobody, condition), { code: 0, broken: [] }, condition);
    // With an answer they end, and what is no condition is seen to be none.
    const answered = `${nobody} api() { echo '{"publish_status":"held"}'; }; `;
    assert.deepEqual(await judge(answered, 'is held ANY'), { code: 42, broken: [] });
    for (const condition of ['nothing of the sort', '[ "" =']) assert.notDeepEqual((await judge(nobody, condition)).broken, [], condition);
  });

  const said = (word) => {
    const index = blocks(text, 'sh').findIndex((block) => block.includes(word));
    assert.ok(index >= 0, word);
    return printed[index].trim();
  };

  test('print what the text says', () => {
    assert.match(said('ACME=$(create'), /^trial +nats-1 +present .*\ntrial +nats-2 +present .*\ntrial +nats-3 +present .*$/m);
    assert.match(said('"max_connections": 100'), /"publish_status":"proven"\}\nPreference-Applied: wait=20/);

    assert.match(said('"max_connections": 200'), /^\{"publish_status":"partial","publish_message":"nats-3 does not answer"\}\nNatsid-Unproven: nats-3: does not answer/);
    assert.match(said('"max_connections": 200'), /^trial +nats-3 +missing /m);
    const [one, two, three, open] = said('.servers[] | [.name').split('\n').map((line) => JSON.parse(line));
    assert.deepEqual([one, two, three].map(([name, state]) => [name, state]), [['nats-1', 'present'], ['nats-2', 'present'], ['nats-3', 'missing']]);
    assert.ok(one[3] === one[2] && three[3] < three[2]);
    assert.deepEqual(open, ['acme', 'nats-3 does not answer', ['nats-3']]);

    assert.match(said('"max_connections": 300'), /^Natsid-Unproven: nats-1: /m);
    assert.match(said('"max_connections": 300'), /"role":"backup","failovers":1\}/);

    assert.match(said('/api/v1/drift'), /^\["(different|missing)",true,true\]$/m);

    const restored = said('CLI account quarantine');
    assert.match(restored, /holds a JWT of this account that is newer than this database .*natsid account adopt acme \(or override\)/);
    assert.match(restored, /revocations only on the server: 1 /);
    const foreign = said('foreign() {');
    for (const name of ['nats-1', 'nats-2', 'nats-3']) assert.match(foreign, new RegExp(`^trial +${name} +present .* [01]$`, 'm'));
    assert.match(foreign, /^trial .* 1$/m);
    assert.match(foreign, /\nA[A-Z2-7]{55}\.jwt is late$/);
    assert.match(said('CLI account adopt'), /^Adopted acme; 1 revocation taken over\.\n1$/);

    assert.equal(said('SHOP='), 'Preference-Applied: wait=20\r\n[]');
  });

  test('the numbers that it alarms on are there, and say that all is well', async () => {
    const numbers = Object.fromEntries(said('natsid_(ready').split('\n').map((line) => line.split(' ')));
    const alarms = rows(section(text, 'What to alarm on')).map(([cell]) => quoted(cell)[0]);
    assert.equal(alarms.length, 9);
    for (const alarm of alarms) {
      const [name, sign, value] = alarm.split(' ');
      assert.ok(name in numbers, name);
      if (name === 'natsid_nats_on_backup') continue; // the primary has just come back
      assert.equal(sign === '>' ? Number(numbers[name]) > Number(value) : numbers[name] === value, false, `${alarm}: ${numbers[name]}`);
    }
  });

  test('its states are those of the schema', async () => {
    const states = rows(section(text, 'What "proven" means')).map(([cell]) => quoted(cell)[0] ?? '').filter((state) => /^[a-z]+$/.test(state));
    const schema = await readFile(join(root, 'schema/0001_foundation.sql'), 'utf8');
    const [, there] = /state IN \(([^)]*)\)\), -- while not proven/.exec(schema);
    assert.deepEqual(states.sort(), [...there.match(/\w+/g), 'proven'].sort());
  });
});
