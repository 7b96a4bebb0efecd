// One-time links: made by who may download creds, opened once by whoever has the token, dead as soon as the creds are.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requestFrom } from './lib/natsid.mjs';
import { onStage } from './lib/stage.mjs';

onStage('one-time links to creds', {}, (stage, test) => {
  let account, role, user;
  const tokens = [];

  const make = (body, options) => stage.daemon.api('POST', `/api/v1/users/${user.id}/creds-link`, body, options);
  const opening = (address, body) => requestFrom(address, stage.daemon.url, 'POST', '/api/v1/creds-links/open', body);
  let addresses = 0;

  /** Opens links from an address of its own: wrong tokens count as guesses, by address. */
  function stranger() {
    const address = `127.0.1.${(addresses += 1)}`;
    return (token) => opening(address, { token });
  }

  async function makeLink() {
    const { status, body, text } = await make({});
    assert.equal(status, 201, text);
    tokens.push(body.token);
    return body;
  }

  test('a link opens once, and what it gives connects', async () => {
    account = await stage.createAccount('acme');
    role = await stage.createRole('all', ['>'], ['>']);
    user = await stage.createUser('device 1/a', account, role);
    await stage.proven(account);
    const open = stranger();
    const link = await makeLink();
    assert.equal(link.path, `/creds#${link.token}`);
    assert.match(link.token, /^[A-Za-z0-9_-]{43}$/);
    const left = Date.parse(link.expires_at.replace(' ', 'T')) - Date.now();
    assert.ok(left > 14 * 60_000 && left <= 15 * 60_000, `${left} ms`);

    const { status, text, headers } = await open(link.token);
    assert.equal(status, 200, text);
    assert.equal(headers.get('content-disposition'), 'attachment; filename="device_1_a.creds"');
    assert.equal(text, await stage.creds(user));
    const client = await stage.connect(text);
    await client.reaches(client, 'any.thing');

    const again = await open(link.token);
    assert.equal(again.status, 404);
    assert.match(again.body.detail, /expired or was used already/);
  });

  test('of eight who open it at the same time, one gets it', async () => {
    const open = stranger();
    const { token } = await makeLink();
    const answers = await Promise.all(Array.from({ length: 8 }, () => open(token)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404, 404, 404, 404, 404, 404, 404]);
  });

  test('who guesses is held off', async () => {
    const open = stranger();
    const guess = Buffer.alloc(32, 7).toString('base64url');
    const statuses = [];
    do statuses.push((await open(guess)).status); while (statuses.at(-1) !== 429 && statuses.length < 20);
    assert.deepEqual(statuses, [...Array(10).fill(404), 429]);
    const { token } = await makeLink();
    assert.equal((await open(token)).status, 429);
    assert.equal((await stranger()(token)).status, 200, 'nobody else is');
  });

  for (const [what, act] of [
    ['suspended', () => stage.change(user, { active: false })],
    ['activated again, with other creds meanwhile', async () => {
      await stage.change(user, { active: true });
      await stage.change(user, { nats_username: 'renamed' });
    }],
  ]) {
    test(`a link from before is dead when the user was ${what}`, async () => {
      if (what !== 'suspended') await stage.change(user, { active: true });
      const { token } = await makeLink();
      await act();
      const { status, body } = await stranger()(token);
      assert.equal(status, 404);
      assert.match(body.detail, /no longer valid/);
    });
  }

  test('bad requests are refused with the reason', async () => {
    await stage.change(user, { active: true });
    const cases = [
      [await make({ ttl_seconds: 901 }), 400, /ttl_seconds: must be from 1 to 900/],
      [await make({ ttl_seconds: 0 }), 400, /ttl_seconds/],
      [await make({ ttl_seconds: '60' }), 400, /ttl_seconds.* is not a whole number/],
      [await make({ ttl: 60 }), 400, /Unknown field|validation/],
      [await make({}, { token: null }), 401, /valid record authorization token/],
      [await stage.daemon.api('POST', '/api/v1/users/zzzzzzzzzzzzzzz/creds-link', {}), 404, /no such user/],
      [await stranger()('short'), 400, /token/],
      [await opening('127.0.1.0', {}), 400, /token/],
    ];
    for (const [{ status, text }, expected, words] of cases) {
      assert.equal(status, expected, text);
      assert.match(text, words);
    }
  });

  test('a deleted user takes its links along', async () => {
    const { token } = await makeLink();
    await stage.remove(user);
    assert.equal((await stranger()(token)).status, 404);
  });

  test('neither database nor log holds a token', async () => {
    assert.ok(tokens.length >= 4);
    const places = [await readFile(join(stage.data, 'natsid.db')), await readFile(join(stage.data, 'natsid.db-wal')), Buffer.from(stage.daemon.log())];
    for (const place of places) {
      for (const token of tokens) {
        assert.equal(place.indexOf(token), -1);
        assert.equal(place.indexOf(Buffer.from(token, 'base64url')), -1);
      }
    }
  });
});
