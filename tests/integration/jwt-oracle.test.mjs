// Our tokens and keys against an implementation that shares no line with ours: what we make, the
// JavaScript libraries of NATS decode and verify; what they make, we do. Byte-equality with the Go
// library is a unit test (tests/golden).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import {
  createAccount,
  createOperator,
  createServer,
  createUser,
  decode,
  encodeAccount,
  encodeActivation,
  encodeAuthorizationResponse,
  encodeGeneric,
  encodeOperator,
  encodeUser,
  fmtCreds,
  newScopedSigner,
  parseCreds,
} from '@nats-io/jwt';
import { createCurve, fromCurveSeed, fromPublic, fromSeed } from '@nats-io/nkeys';

const tool = process.env.NATSID_JWT_TOOL ?? new URL('../../build/release/tests/jwt_tool', import.meta.url).pathname;

function run(args, input = '') {
  const result = spawnSync(tool, args, { input, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
  assert.equal(result.error, undefined);
  return { status: result.status, out: result.stdout.replace(/\n$/, ''), err: result.stderr };
}

function ours(...args) {
  const { status, out, err } = run(args);
  assert.equal(status, 0, err);
  return out;
}

function decodeOurs(token) {
  const { status, out, err } = run(['decode'], token);
  assert.equal(status, 0, err);
  return JSON.parse(out);
}

// The libraries' decode() reads without checking, so the signature is checked here.
function verify(token) {
  const [header, payload, signature] = token.split('.');
  const { iss } = JSON.parse(Buffer.from(payload, 'base64url'));
  const message = new TextEncoder().encode(`${header}.${payload}`);
  return fromPublic(iss).verify(message, new Uint8Array(Buffer.from(signature, 'base64url')));
}

// What our encoder leaves out is what is empty: so do we, in theirs.
function withoutEmpty(value) {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value)
    .map(([key, item]) => [key, withoutEmpty(item)])
    .filter(([, item]) => !(item === 0 || item === '' || item === false || (Array.isArray(item) && item.length === 0)))
    .filter(([, item]) => !(item !== null && typeof item === 'object' && Object.keys(item).length === 0));
  return Object.fromEntries(kept);
}

// Their encoder keeps the order of keys that it is given, ours sorts as the Go library does.
function sorted(claims) {
  claims.signing_keys?.sort((a, b) => ((a.key ?? a) < (b.key ?? b) ? -1 : 1));
  return claims;
}

const sampleSeed = (text) => fromSeed(new TextEncoder().encode(text));
const userSeed = 'SUAAGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGA6BEM';
const curveSeed = 'SXAAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBUBRY';
const curvePublic = 'XD23FVXGB6KHPYYQYKMC3KVGZEJWYEEKC534LFD6ISH2G7LIC5CVP5IW';

describe('tokens of ours', () => {
  for (const name of ours('list').split('\n')) {
    test(`${name}: verifies and decodes there`, () => {
      const token = ours('encode', name);
      assert.equal(verify(token), true);
      const claims = decode(token);
      assert.equal(claims.iat, 1700000000);
      assert.equal(claims.nats.version, 2);
      assert.deepEqual(decodeOurs(token), claims.nats);
    });
  }

  test('say what was meant', () => {
    const account = decode(ours('encode', 'account full'));
    assert.equal(account.nats.limits.conn, 100);
    assert.equal(account.nats.imports[0].subject, 'data.>');
    assert.equal(account.nats.signing_keys[1].template.resp.ttl, 1_000_000_000);
    const user = decode(ours('encode', 'user full'));
    assert.deepEqual(user.nats.pub, { allow: ['a.>', 'b'], deny: ['a.x'] });
    assert.equal(decode(ours('encode', 'operator full')).name, 'Op & <Co>');
  });
});

describe('tokens of theirs', () => {
  const operator = createOperator();
  const account = createAccount();
  const signing = createAccount();
  const user = createUser();

  async function same(token) {
    assert.deepEqual(withoutEmpty(decodeOurs(token)), sorted(withoutEmpty(decode(token).nats)));
    const validated = run(['validate'], token);
    assert.equal(validated.out, 'ok', validated.err);
  }

  test('operator', async () => {
    await same(
      await encodeOperator('O <&>', operator, {
        signing_keys: [createOperator().getPublicKey()],
        account_server_url: 'nats://localhost:4222',
        operator_service_urls: ['tls://h:4222'],
        system_account: account.getPublicKey(),
        tags: ['a:b'],
      }),
    );
  });

  test('account', async () => {
    await same(
      await encodeAccount(
        'A',
        account,
        {
          limits: { subs: -1, data: -1, payload: 1024, conn: 10, leaf: -1, imports: -1, exports: -1, wildcards: true },
          signing_keys: [
            newScopedSigner(signing, 'role', {
              pub: { allow: ['a.{{name()}}.>'], deny: [] },
              sub: { allow: ['_INBOX.>'], deny: ['b'] },
              subs: 5,
              data: -1,
              payload: -1,
            }),
            createAccount().getPublicKey(),
          ],
          revocations: { '*': 7, [user.getPublicKey()]: 1700000000 },
          exports: [{ name: 'e', subject: 'e.>', type: 'stream', token_req: true }],
          imports: [{ name: 'i', subject: 'i.*', type: 'service', account: createAccount().getPublicKey(), share: true }],
          default_permissions: { pub: { deny: ['x'] }, sub: {} },
          authorization: { auth_users: [user.getPublicKey()], allowed_accounts: ['*'], xkey: createCurve().getPublicKey() },
        },
        { signer: operator },
      ),
    );
  });

  test('user of a plain key, with all in it', async () => {
    await same(
      await encodeUser('U', user, signing, {
        issuer_account: account.getPublicKey(),
        pub: { allow: ['a'], deny: ['b'] },
        sub: { allow: ['c q'], deny: [] },
        resp: { max: 2, ttl: 5_000_000_000 },
        src: ['10.0.0.0/8'],
        times: [{ start: '08:00:00', end: '17:00:00' }],
        subs: 1,
        data: -1,
        payload: 1,
        bearer_token: true,
        allowed_connection_types: ['WEBSOCKET'],
      }),
    );
  });

  test('user of a scope', async () => {
    const token = await encodeUser('U', user, signing, { issuer_account: account.getPublicKey() }, { scopedUser: true });
    await same(token);
    assert.equal(decodeOurs(token).subs, undefined);
  });

  test('activation, generic, authorization response', async () => {
    await same(await encodeActivation('act', account.getPublicKey(), signing, 'stream', { subject: 'a.*' }));
    await same(await encodeGeneric('g', operator, 'thing', { accounts: [account.getPublicKey()], deep: { b: [1, true], a: '<' } }));
    await same(
      await encodeAuthorizationResponse(user, createServer(), account, { error: 'no' }, { signer: account }),
    );
  });

  test('a changed byte is refused', async () => {
    const token = await encodeUser('U', user, account);
    const [header, payload, signature] = token.split('.');
    const other = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url')), name: 'V' }));
    const { status, err } = run(['decode'], `${header}.${other.toString('base64url')}.${signature}`);
    assert.equal(status, 1);
    assert.match(err, /signature of the token is wrong/);
  });

  test('a user signed by an operator is refused', async () => {
    // Their encoder checks the signer, so the token is put together by hand.
    const [header, payload] = (await encodeUser('U', user, account)).split('.');
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url')), iss: operator.getPublicKey() };
    const message = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    const signature = Buffer.from(operator.sign(new TextEncoder().encode(message))).toString('base64url');
    const { status, err } = run(['decode'], `${message}.${signature}`);
    assert.equal(status, 1);
    assert.match(err, /role operator cannot sign claims of type user/);
  });
});

describe('creds', () => {
  test('of ours are read there', async () => {
    const creds = await parseCreds(new TextEncoder().encode(`${ours('creds')}\n`));
    assert.equal(creds.key, userSeed);
    assert.equal(creds.jwt, ours('encode', 'user scoped'));
    assert.equal(creds.uc.sub, sampleSeed(userSeed).getPublicKey());
  });

  test('of theirs are the same bytes, and read here', async () => {
    const token = ours('encode', 'user scoped');
    const text = new TextDecoder().decode(fmtCreds(token, sampleSeed(userSeed)));
    const { status, out, err } = run(['parse-creds'], text);
    assert.equal(status, 0, err);
    assert.equal(out, `${token}\n${sampleSeed(userSeed).getPublicKey()}`);
  });
});

describe('sealed messages', () => {
  const mine = fromCurveSeed(new TextEncoder().encode(curveSeed));

  test('of ours are opened there', () => {
    const other = createCurve();
    const { status, out, err } = run(['seal', other.getPublicKey()], 'hello');
    assert.equal(status, 0, err);
    assert.equal(mine.getPublicKey(), curvePublic);
    const opened = other.open(new Uint8Array(Buffer.from(out, 'hex')), curvePublic);
    assert.equal(new TextDecoder().decode(opened), 'hello');
  });

  test('of theirs are opened here', () => {
    const other = createCurve();
    const sealed = Buffer.from(other.seal(new TextEncoder().encode('grüezi'), curvePublic)).toString('hex');
    assert.equal(ours('open', other.getPublicKey(), sealed), 'grüezi');
    const { status } = run(['open', createCurve().getPublicKey(), sealed]);
    assert.equal(status, 1);
  });
});
