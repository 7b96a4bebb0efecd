// Suspended users and accounts stay out whatever else is edited: each write of the route table, with each field that it may
// name, is done to a suspended user and in a suspended account; its old creds, and all that the API hands out then, are
// refused by a real server, and the account's last JWT still says so.
import assert from 'node:assert/strict';
import { createCurve, fromSeed } from '@nats-io/nkeys';
import { credsAuthenticator, jwtAuthenticator, connect } from '@nats-io/transport-node';
import { claimsOf } from './lib/claims.mjs';
import { bodies, hiddenFields, readOnly, writeRoutes } from './lib/stay-out.mjs';
import { onStage } from './lib/stage.mjs';
import { until } from './lib/processes.mjs';

const text = new TextEncoder();
const jwtOf = (creds) => /(eyJ[\w.-]+)/.exec(creds)[1];
const seedOf = (creds) => /^(SU\w+)$/m.exec(creds)[1];
const shown = (body) => JSON.stringify(body).slice(0, 70);

async function inGroups(items, each, size = 32) {
  const queue = [...items];
  await Promise.all(Array.from({ length: size }, async () => {
    while (queue.length > 0) await each(queue.shift());
  }));
}

onStage('staying out', {}, (stage, test) => {
  const api = (...args) => stage.daemon.api(...args);
  const record = (collection, id = '') => `/api/collections/${collection}/records${id && '/'}${id}`;
  let refuge, exporter, offers, otherRole, made = 0;

  test('there is an account to move to, and one that offers something', async () => {
    refuge = await stage.createAccount('refuge');
    exporter = await stage.createAccount('exporter');
    otherRole = await stage.createRole('other', ['>'], ['>']);
    offers = {};
    for (const [subject, type] of [['offered.*', 'stream'], ['served.*', 'service']]) {
      const fields = { account_id: exporter.id, name: subject, subject, type };
      offers[type] = await stage.create('nats_account_exports', fields);
    }
  });

  /** An account with a user whose creds have worked; one of the two is suspended then. */
  async function makeWorld(kind, { twoSets = false } = {}) {
    const n = (made += 1);
    const account = await stage.createAccount(`account-${n}`);
    const role = await stage.createRole(`role-${n}`, ['data.>'], ['data.>']);
    const share = { account_id: account.id, name: 'shared' };
    const offer = await stage.create('nats_account_exports', { ...share, subject: 'own.one', type: 'service' });
    const taken = await stage.create('nats_account_imports', { ...share, subject: 'offered.one', type: 'stream', account: exporter.public_key });
    const user = await stage.createUser(`user-${n}`, account, role);
    const world = { kind, account, role, user, export: offer, import: taken, refuge, otherRole, offers, creds: [user.creds_file], handed: [] };
    world.xkey = createCurve().getPublicKey();
    if (twoSets) {
      const { signing_keys: keys } = await stage.api('GET', `/api/v1/accounts/${account.id}/signing-keys`);
      world.oldKey = keys[0].public_key;
      await stage.change(account, { add_signing_key: true });
      world.creds.push(await stage.creds(user));
    }
    world.link = (await api('POST', `/api/v1/users/${user.id}/creds-link`, {})).body.token;
    world.nonce = (await stage.api('POST', '/api/v1/creds/nonce', { public_key: user.public_key })).nonce;
    await stage.proven(account, { deadline: 30_000 });
    for (const creds of world.creds) await (await stage.connect(creds)).close();
    await stage.change(kind === 'user' ? user : account, { active: false });
    return world;
  }

  /** All that the API gives for the user now. */
  async function collect(world) {
    const { id } = world.user;
    const note = (found) => { if (found) world.handed.push(found); };
    const direct = await api('GET', `/api/v1/users/${id}/creds`);
    if (direct.status === 200) note(direct.text);
    const fields = await api('GET', `${record('nats_users', id)}?fields=jwt,creds_file`);
    note(fields.body?.creds_file);
    if (fields.body?.jwt) note(`${fields.body.jwt}\n${seedOf(world.creds[0])}`);
    const list = await api('GET', `${record('nats_users')}?fields=creds_file&filter=${encodeURIComponent(`id='${id}'`)}`);
    note(list.body?.items?.[0]?.creds_file);
    const link = await api('POST', `/api/v1/users/${id}/creds-link`, {});
    for (const token of [link.body?.token, world.link].filter(Boolean)) {
      const opened = await api('POST', '/api/v1/creds-links/open', { token }, { token: null });
      if (opened.status === 200) note(opened.text);
      world.link = null;
    }
    await renew(world);
  }

  async function renew(world) {
    const key = world.own ?? fromSeed(text.encode(seedOf(world.creds[0])));
    const signature = Buffer.from(key.sign(text.encode(`natsid-renew:${world.nonce}`))).toString('base64url');
    const answer = await api('POST', '/api/v1/creds/renew', { public_key: key.getPublicKey(), nonce: world.nonce, signature }, { token: null });
    if (answer.status === 200) world.handed.push(`${answer.body.jwt}\n${seedOf(world.creds[0])}`);
    return answer;
  }

  /** 'refused', or what happened to a client of these creds. */
  async function judge(world, creds) {
    const seed = /^(SU\w+)$/m.exec(creds)?.[1] ?? new TextDecoder().decode(world.own?.getSeed());
    const authenticator = /BEGIN/.test(creds) && /SEED/.test(creds)
      ? credsAuthenticator(text.encode(creds)) : jwtAuthenticator(jwtOf(creds), text.encode(seed));
    return until('the server judges', async () => {
      try {
        const nc = await connect({ servers: stage.urls, authenticator, reconnect: false, timeout: 5000 });
        await nc.close();
        return 'let in';
      } catch (error) {
        if (/authorization/i.test(`${error.name} ${error.message}`)) return 'refused';
        throw error;
      }
    });
  }

  /** What the last JWT of the account says against these creds; '' when nothing does. */
  function refusal({ nats }, creds) {
    const { sub, iat, iss } = claimsOf(jwtOf(creds));
    const keys = nats.signing_keys?.map((key) => key.key ?? key) ?? [];
    if (!keys.includes(iss)) return 'its key is gone';
    if ((nats.revocations?.[sub] ?? 0) >= iat) return 'revoked';
    return (nats.revocations?.['*'] ?? 0) >= iat ? 'all are revoked' : '';
  }

  async function assertOut(world) {
    await collect(world);
    const { account } = world;
    const { jwt, status } = await stage.proven(account, { deadline: 30_000 }).catch(async (error) => {
      if ((await api('GET', record('nats_accounts', account.id))).status === 404) return { status: 'deleted' };
      throw error;
    });
    if (status !== 'deleted') {
      assert.equal(await stage.servers[0].stored(account.public_key), jwt);
      const claims = claimsOf(jwt);
      for (const creds of world.creds) assert.notEqual(refusal(claims, creds), '', 'the JWT says it');
      if (world.kind === 'account') {
        const { nats, iat } = claims;
        assert.deepEqual([nats.limits.conn ?? 0, nats.limits.leaf ?? 0, nats.signing_keys], [0, 0, undefined], 'a tombstone');
        assert.ok(nats.revocations['*'] >= iat - 1);
      }
    }
    if (world.escapes) world.handed.length = 0; // from the suspended account to one that is not
    for (const creds of [...world.creds, ...world.handed]) assert.equal(await judge(world, creds), 'refused');
  }

  /** Does it to a suspended user and in a suspended account. act(world) answers with {status, body}. */
  function staysOut(what, act, { allowed = [], twoSets = false } = {}) {
    return ['user', 'account'].map((kind) => ({
      name: `${what}, ${kind} suspended`,
      run: async () => {
        const world = await makeWorld(kind, { twoSets });
        const { status, body, text: answer } = await act(world);
        assert.ok(status < 300 || allowed.includes(status), `${status} ${answer}`);
        if (status < 300 && body?.creds_file) world.handed.push(body.creds_file);
        await assertOut(world);
        return world;
      },
    }));
  }

  /** Runs them beside each other, then lets all in again: else they would be out for another reason. */
  async function runAll(t, cases) {
    const problems = [];
    let back = 0, handed = 0;
    await inGroups(cases, async ({ name, run }) => {
      try {
        const world = await run();
        const { length } = world.handed;
        const isBack = await comesBack(world);
        handed += length;
        back += isBack ? 1 : 0;
      } catch (error) {
        problems.push(`${name}: ${error.message}`);
      }
    });
    t.diagnostic(`${cases.length} cases, ${handed} creds handed out meanwhile; ${back} let in after activation`);
    assert.deepEqual(problems, []);
    return back;
  }

  async function comesBack(world) {
    const target = world.kind === 'user' ? world.user : world.account;
    const { status, body } = await api('PATCH', record(target.collectionName, target.id), { active: true });
    if (status !== 200) return false;
    const creds = await api('GET', `/api/v1/users/${world.user.id}/creds`);
    if (creds.status !== 200) return false;
    const account = await api('GET', record('nats_accounts', body.account_id ?? world.account.id));
    await stage.proven(account.body, { deadline: 30_000 });
    return (await judge(world, creds.text)) === 'let in';
  }

  const subjects = { nats_users: 'user', nats_accounts: 'account', nats_roles: 'role', nats_account_exports: 'export', nats_account_imports: 'import' };

  for (const [collection, fields] of Object.entries(bodies)) {
    test(`PATCH of each field of ${collection}`, async (t) => {
      const sample = await makeWorld('user');
      const shownFields = Object.keys(await stage.read(sample[subjects[collection]]));
      const writable = [...shownFields, ...hiddenFields(collection)].filter((name) => !readOnly[collection].includes(name));
      assert.deepEqual([...new Set(writable)].sort(), Object.keys(fields).sort(), 'each writable field has its bodies');
      const cases = Object.entries(fields).flatMap(([field, list]) => list.flatMap((given) =>
        staysOut(`${field} ${typeof given === 'function' ? '' : shown(given)}`, (world) => {
          const body = typeof given === 'function' ? given(world) : given;
          world.escapes = world.kind === 'account' && body.account_id !== undefined;
          return api('PATCH', record(collection, world[subjects[collection]].id), body);
        }, { twoSets: field === 'remove_signing_key' })));
      const back = await runAll(t, cases);
      assert.ok(back > cases.length * 0.6, `${back} of ${cases.length} came back`);
    });
  }
});
