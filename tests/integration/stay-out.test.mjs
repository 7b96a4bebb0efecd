// Suspended users and accounts stay out whatever else is edited: each write of the route table, with each field that it may
// name, is done to a suspended user and in a suspended account; its old creds, and all that the API hands out then, are
// refused by a real server, and the account's last JWT still says so.
import assert from 'node:assert/strict';
import { createCurve, fromSeed } from '@nats-io/nkeys';
import { bodies, hiddenFields, inGroups, judge, readOnly, refusal, seedOf, writeRoutes } from './lib/stay-out.mjs';
import { requestFrom } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const text = new TextEncoder();
const patiently = { deadline: 30_000, every: 200 }; // many ask at the same time
const shown = (body) => JSON.stringify(body).slice(0, 70);

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
      const fields = { account_id: exporter.id, name: subject, subject, type, token_req: type === 'stream' };
      offers[type] = await stage.create('nats_account_exports', fields);
    }
  });

  /** Without a token, from the world's own address: failures are throttled by address, and who is refused for that proves nothing. */
  async function asStranger({ address }, path, fields) {
    const answer = await requestFrom(address, stage.daemon.url, 'POST', path, fields);
    assert.notEqual(answer.status, 429, path);
    return answer;
  }

  /** An account with a user whose creds have worked; one of the two is suspended then. */
  async function makeWorld(kind, { twoSets = false } = {}) {
    const n = (made += 1);
    const account = await stage.createAccount(`account-${n}`);
    const role = await stage.createRole(`role-${n}`, ['data.>'], ['data.>']);
    const share = { account_id: account.id, name: 'shared' };
    const offer = await stage.create('nats_account_exports', { ...share, subject: 'own.one', type: 'service', token_req: true });
    const taken = await stage.create('nats_account_imports', { ...share, subject: 'offered.one', type: 'stream', account: exporter.public_key });
    const user = await stage.createUser(`user-${n}`, account, role);
    const address = `127.0.${1 + Math.floor(n / 200)}.${1 + n % 200}`;
    const world = { kind, address, account, role, user, export: offer, import: taken, refuge, otherRole, offers, creds: [user.creds_file], handed: [] };
    world.xkey = createCurve().getPublicKey();
    if (twoSets) {
      const { signing_keys: keys } = await stage.api('GET', `/api/v1/accounts/${account.id}/signing-keys`);
      world.oldKey = keys[0].public_key;
      await stage.change(account, { add_signing_key: true });
      world.creds.push(await stage.creds(user));
    }
    world.link = (await api('POST', `/api/v1/users/${user.id}/creds-link`, {})).body.token;
    world.nonce = (await stage.api('POST', '/api/v1/creds/nonce', { public_key: user.public_key })).nonce;
    await stage.proven(account, patiently);
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
      const opened = await asStranger(world, '/api/v1/creds-links/open', { token });
      if (opened.status === 200) note(opened.text);
      world.link = null;
    }
    await renew(world);
  }

  async function renew(world) {
    const key = world.own ?? fromSeed(text.encode(seedOf(world.creds[0])));
    const signature = Buffer.from(key.sign(text.encode(`natsid-renew:${world.nonce}`))).toString('base64url');
    const fields = { public_key: key.getPublicKey(), nonce: world.nonce, signature };
    const answer = await asStranger(world, '/api/v1/creds/renew', fields);
    renewals.set(answer.status, (renewals.get(answer.status) ?? 0) + 1);
    if (answer.status === 200) world.handed.push(`${answer.body.jwt}\n${seedOf(world.creds[0])}`);
    return answer;
  }

  async function assertOut(world) {
    await collect(world);
    const { account } = world;
    const { status } = await api('GET', record('nats_accounts', account.id));
    if (status === 200) {
      const { jwt } = await stage.proven(account, patiently);
      assert.equal(await stage.servers[0].stored(account.public_key), jwt);
    }
    const dead = ({ nats }) => world.creds.every((creds) => refusal({ nats }, creds) !== '');
    const { nats, iat } = await stage.storedClaims(stage.servers[0], account, (claims) => status === 200 || dead(claims), patiently);
    assert.ok(dead({ nats }), 'the JWT says it');
    if (world.kind === 'account') {
      assert.deepEqual([nats.limits.conn ?? 0, nats.limits.leaf ?? 0, nats.signing_keys], [0, 0, undefined], 'a tombstone');
      assert.ok(nats.revocations['*'] >= iat - 1);
    }
    if (world.escapes) world.handed.length = 0; // from the suspended account to one that is not
    for (const creds of [...world.creds, ...world.handed]) assert.equal(await judge(stage.urls, world, creds, patiently), 'refused');
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
    await stage.proven(account.body, patiently);
    return (await judge(stage.urls, world, creds.text, patiently)) === 'let in';
  }

  const subjects = { nats_users: 'user', nats_accounts: 'account', nats_roles: 'role', nats_account_exports: 'export', nats_account_imports: 'import' };

  const ofKind = (kind, cases) => cases.filter(({ name }) => name.endsWith(`${kind} suspended`));

  for (const [collection, fields] of Object.entries(bodies)) {
    test(`each writable field of ${collection} has its bodies`, async () => {
      const sample = await makeWorld('user');
      const shownFields = Object.keys(await stage.read(sample[subjects[collection]]));
      const writable = [...shownFields, ...hiddenFields(collection)].filter((name) => !readOnly[collection].includes(name));
      assert.deepEqual([...new Set(writable)].sort(), Object.keys(fields).sort());
    });

    const cases = Object.entries(fields).flatMap(([field, list]) => list.flatMap((given) =>
      staysOut(`${field} ${typeof given === 'function' ? '' : shown(given)}`, (world) => {
        const body = typeof given === 'function' ? given(world) : given;
        world.escapes = world.kind === 'account' && body.account_id !== undefined;
        return api('PATCH', record(collection, world[subjects[collection]].id), body);
      }, { twoSets: field === 'remove_signing_key' })));
    for (const kind of ['user', 'account']) {
      test(`PATCH of each field of ${collection}, ${kind} suspended`, async (t) => {
        const some = ofKind(kind, cases);
        const back = await runAll(t, some);
        assert.ok(back > some.length * 0.6, `${back} of ${some.length} came back`);
      });
    }
  }

  const renewals = new Map();
  const keysPath = ({ account }) => `/api/v1/accounts/${account.id}/signing-keys`;
  const create = (collection, fields) => api('POST', record(collection), fields);
  const login = (world) => asStranger(world, '/api/collections/nats_users/auth-with-password', {
    identity: world.email, password: 'long password',
  });
  const withLogin = async (world) => {
    world.email = `${world.user.id}@example.org`;
    await stage.change(world.user, { email: world.email, password: 'long password', passwordConfirm: 'long password' });
  };
  const noteRecord = (world, { body }) => { if (body?.record?.creds_file) world.handed.push(body.record.creds_file); };

  /** For each route that writes: [what, act(world), options]. */
  const routes = {
    'POST /api/collections/:collection/records': [
      ['another user made', async (w) => {
        const answer = await create('nats_users', { nats_username: 'another', account_id: w.account.id, role_id: w.role.id });
        if (w.kind === 'account') return answer; // its creds must not work
        return { ...answer, body: null };
      }],
      ['a user made with a role that is new there', (w) => create('nats_users',
        { nats_username: 'new', account_id: w.account.id, role_id: otherRole.id }).then((answer) => ({ ...answer, body: null }))],
      ['an export made', (w) => create('nats_account_exports', { account_id: w.account.id, name: 'e', subject: 'two', type: 'stream' })],
      ['an import made', (w) => create('nats_account_imports',
        { account_id: w.account.id, name: 'i', subject: 'served.x', type: 'service', account: exporter.public_key })],
      ['an account made', (w) => create('nats_accounts', { name: `beside-${w.account.id}` })],
      ['a role made', (w) => create('nats_roles', { name: `beside-${w.role.id}` })],
    ],
    'PATCH /api/collections/:collection/records/:id': [], // each field: above
    'DELETE /api/collections/:collection/records/:id': [
      ['the user deleted', (w) => api('DELETE', record('nats_users', w.user.id))],
      ['the user and the account deleted', async (w) => {
        await stage.remove(w.user);
        return api('DELETE', record('nats_accounts', w.account.id));
      }],
      ['the account that has users deleted', (w) => api('DELETE', record('nats_accounts', w.account.id)), { allowed: [400] }],
      ['the role in use deleted', (w) => api('DELETE', record('nats_roles', w.role.id)), { allowed: [400] }],
      ['an export deleted', (w) => api('DELETE', record('nats_account_exports', w.export.id))],
      ['an import deleted', (w) => api('DELETE', record('nats_account_imports', w.import.id))],
    ],
    'POST /api/collections/:collection/auth-with-password': [
      ['a login', async (w) => {
        await withLogin(w);
        const answer = await login(w);
        noteRecord(w, answer);
        return answer;
      }, { allowed: [400, 403, 404] }],
    ],
    'POST /api/collections/:collection/auth-refresh': [
      ['a login refreshed', async (w) => {
        await withLogin(w);
        const { body } = await login(w);
        const answer = await api('POST', '/api/collections/nats_users/auth-refresh', {}, { token: body?.token ?? stage.daemon.token });
        noteRecord(w, answer);
        return answer;
      }, { allowed: [400, 401, 403, 404] }],
    ],
    'POST /api/v1/exports/:id/revoke': [
      ['an export taken from another', (w) => api('POST', `/api/v1/exports/${w.export.id}/revoke`, { account: refuge.public_key })],
      ["another's export taken from it", (w) => api('POST', `/api/v1/exports/${offers.stream.id}/revoke`, { account: w.account.public_key })],
    ],
    'POST /api/v1/exports/:id/allow': [
      ['an export given back', async (w) => {
        await stage.api('POST', `/api/v1/exports/${w.export.id}/revoke`, { account: refuge.public_key });
        return api('POST', `/api/v1/exports/${w.export.id}/allow`, { account: refuge.public_key });
      }],
      ["another's export given back to it", async (w) => {
        await stage.api('POST', `/api/v1/exports/${offers.stream.id}/revoke`, { account: w.account.public_key });
        return api('POST', `/api/v1/exports/${offers.stream.id}/allow`, { account: w.account.public_key });
      }],
    ],
    'GET /api/v1/users/:id/creds': [['creds read', (w) => api('GET', `/api/v1/users/${w.user.id}/creds`), { allowed: [409] }]],
    'POST /api/v1/users/:id/creds-link': [['a link made', async (w) => {
      const answer = await api('POST', `/api/v1/users/${w.user.id}/creds-link`, {});
      w.link = answer.body?.token ?? w.link;
      return answer;
    }, { allowed: [409] }]],
    'POST /api/v1/creds-links/open': [['a link opened that was made before', async (w) => {
      const answer = await asStranger(w, '/api/v1/creds-links/open', { token: w.link });
      if (answer.status === 200) w.handed.push(answer.text);
      return answer;
    }, { allowed: [404, 409] }]],
    'POST /api/v1/accounts/:id/signing-keys/:key/retire': [
      ['an old key that retires', async (w) => {
        const answer = await api('POST', `${keysPath(w)}/${w.oldKey}/retire`, { at: new Date(Date.now() + 15_000).toISOString() });
        await until('it is gone', async () => !JSON.stringify((await api('GET', keysPath(w))).body).includes(w.oldKey), { deadline: 45_000 });
        return answer;
      }, { twoSets: true }],
    ],
    'POST /api/v1/accounts/:id/signing-keys/:key/keep': [
      ['an old key that is kept', (w) => api('POST', `${keysPath(w)}/${w.oldKey}/keep`), { twoSets: true }],
    ],
    'POST /api/v1/creds/nonce': [['a nonce', async (w) => {
      const answer = await api('POST', '/api/v1/creds/nonce', { public_key: w.user.public_key }, { token: null });
      w.nonce = answer.body?.nonce ?? w.nonce;
      return answer;
    }, { allowed: [401, 409] }]],
    'POST /api/v1/accounts/:id/adopt': [
      ['an account adopted that is in no quarantine', (w) => api('POST', `/api/v1/accounts/${w.account.id}/adopt`, {}), { allowed: [404, 409] }],
    ],
    'POST /api/v1/accounts/:id/override': [
      ['an account overridden that is in no quarantine', (w) => api('POST', `/api/v1/accounts/${w.account.id}/override`, {}), { allowed: [404, 409] }],
    ],
    'POST /api/v1/reconcile': [['all accounts looked at', () => api('POST', '/api/v1/reconcile', {}), { allowed: [202] }]],
    'POST /api/v1/creds/renew': [['a renewal by its key', renew, { allowed: [401, 409] }]],
  };

  test('each route that writes has its cases', () => {
    assert.deepEqual(writeRoutes().sort(), Object.keys(routes).sort());
  });

  const others = Object.values(routes).flat().flatMap(([what, act, options]) => staysOut(what, act, options));
  for (const kind of ['user', 'account']) {
    test(`the other writes, ${kind} suspended`, async (t) => {
      await runAll(t, ofKind(kind, others));
      t.diagnostic(`renewals: ${JSON.stringify(Object.fromEntries(renewals))}`);
      assert.ok((renewals.get(409) ?? 0) > 0, 'some were refused for the suspension');
    });
  }
});
