// What surrounds the records: downloads, health, methods, headers, and requests as bytes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import PocketBase from 'pocketbase';
import { startNatsid } from './lib/natsid.mjs';

let daemon;
let user;
let role;
let account;

const records = (collection, id) => `/api/collections/${collection}/records${id ? `/${id}` : ''}`;

before(async () => {
  daemon = await startNatsid();
  account = (await daemon.api('POST', records('nats_accounts'), { name: 'acme' })).body;
  role = (await daemon.api('POST', records('nats_roles'), { name: 'r' })).body;
  user = (await daemon.api('POST', records('nats_users'), { nats_username: 'probe 1', account_id: account.id, role_id: role.id })).body;
});
after(() => daemon?.stop());

/** Sends bytes over a connection of its own and returns all that comes until it is closed. */
async function raw(text) {
  const { hostname, port } = new URL(daemon.url);
  const socket = connect(Number(port), hostname);
  socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
  let received = '';
  socket.setEncoding('utf8').on('data', (data) => { received += data; });
  socket.write(text);
  await once(socket, 'close');
  return received;
}
const head = (line, ...headers) => [line, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n');

// ---- downloads -----------------------------------------------------------------------

test('the creds of a user are an attachment with a safe name, and not to be stored', async () => {
  const answer = await daemon.api('GET', `/api/v1/users/${user.id}/creds`);
  assert.equal(answer.status, 200);
  assert.equal(answer.text, user.creds_file);
  assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="probe_1.creds"');
  assert.match(answer.headers.get('content-type'), /^text\/plain/);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
});

test('a name that is no file name is made one', async () => {
  const fields = { account_id: account.id, role_id: role.id };
  for (const [name, file] of [
    ['../../etc/passwd', '_._.._etc_passwd.creds'],
    ['a"b;c', 'a_b_c.creds'],
    ['grün', 'gr__n.creds'],
    ['.hidden', '_hidden.creds'],
  ]) {
    const made = await daemon.api('POST', records('nats_users'), { ...fields, nats_username: name });
    assert.equal(made.status, 200, made.text);
    const answer = await daemon.api('GET', `/api/v1/users/${made.body.id}/creds`);
    assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${file}"`);
  }
});

test('the creds of nobody are 404 and of a suspended user 409, with the reason', async () => {
  const nobody = await daemon.api('GET', '/api/v1/users/aaaaaaaaaaaaaaa/creds');
  assert.equal(nobody.status, 404);
  assert.equal(nobody.headers.get('content-type'), 'application/problem+json');
  assert.equal(nobody.body.code, 'not_found');
  assert.equal(nobody.body.request_id, nobody.headers.get('x-request-id'));
  const off = await daemon.api('POST', records('nats_users'), { nats_username: 'off', account_id: account.id, role_id: role.id, active: false });
  const suspended = await daemon.api('GET', `/api/v1/users/${off.body.id}/creds`);
  assert.equal(suspended.status, 409);
  assert.deepEqual([suspended.body.code, suspended.body.status, suspended.body.title], ['conflict', 409, 'Conflict']);
  assert.match(suspended.body.detail, /suspended/);
});

test('the JWT of the operator is the one of its record', async () => {
  const answer = await daemon.api('GET', '/api/v1/operator.jwt');
  const { items } = (await daemon.api('GET', records('nats_system_operator'))).body;
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/jwt');
  assert.equal(answer.text.trim(), items[0].jwt);
});

test('the configuration of a server takes its parameters', async () => {
  const plain = await daemon.api('GET', '/api/v1/nats.conf');
  assert.equal(plain.status, 200);
  assert.match(plain.headers.get('content-type'), /^text\/plain/);
  assert.match(plain.text, /natsid-1/);
  const named = await daemon.api('GET', '/api/v1/nats.conf?server_name=edge-7&port=5222&dir=%2Fvar%2Flib%2Fjwt&jetstream=%2Fvar%2Flib%2Fjs');
  for (const part of ['edge-7', '5222', '/var/lib/jwt', '/var/lib/js']) assert.ok(named.text.includes(part), part);
  assert.doesNotMatch(named.text, /\bS[A-Z2-7]{57}\b/);
});

for (const port of ['0', '65536', '-1', 'x', '4222x']) {
  test(`the port ${port} is refused`, async () => {
    const answer = await daemon.api('GET', `/api/v1/nats.conf?port=${port}`);
    assert.equal(answer.status, 400);
    assert.match(answer.body.detail, /"port" must be a number from 1 to 65535/);
  });
}

test('a server name that nats-servers refuse is refused', async () => {
  const answer = await daemon.api('GET', '/api/v1/nats.conf?server_name=a%20b');
  assert.equal(answer.status, 400);
  assert.match(answer.body.detail, /server_name: must not hold blanks/);
});

// ---- health --------------------------------------------------------------------------

test('health in three forms, without a token', async () => {
  const pb = new PocketBase(daemon.url);
  assert.deepEqual(await pb.health.check(), { message: 'API is healthy.', code: 200, data: {} });
  assert.deepEqual((await daemon.api('GET', '/healthz', undefined, { token: null })).body, { status: 'ok' });
  const ready = await daemon.api('GET', '/readyz', undefined, { token: 'garbage' });
  assert.equal(ready.status, 200);
  assert.equal(ready.body.status, 'ready');
  assert.equal(typeof ready.body.version, 'string');
  assert.equal(ready.body.nats.connected, false, 'ready without NATS');
  for (const key of ['url', 'server', 'version', 'error', 'since']) assert.equal(typeof ready.body.nats[key], 'string');
  for (const key of ['servers', 'known_servers', 'missing_servers', 'open_accounts', 'unproven_accounts', 'quarantined_accounts']) assert.equal(typeof ready.body.nats[key], 'number');
});

// ---- methods and headers -------------------------------------------------------------

test('a wrong method on a native route is 405 and names the right ones', async () => {
  const answer = await daemon.api('POST', '/api/v1/operator.jwt', {});
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get('allow'), 'GET, HEAD');
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  assert.equal(answer.body.code, 'method_not_allowed');
});

test('an unknown native path is a problem document', async () => {
  const answer = await daemon.api('GET', '/api/v1/nothing');
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
});

test('a guest is told how to authenticate', async () => {
  const answer = await daemon.api('GET', '/api/v1/operator.jwt', undefined, { token: null });
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
});

test('preflight requests are answered, also for paths that are not there', async () => {
  for (const path of [records('nats_accounts'), '/api/nothing']) {
    const answer = await daemon.api('OPTIONS', path, undefined, {
      token: null,
      headers: { Origin: 'https://example.org', 'Access-Control-Request-Headers': 'authorization,content-type', 'Access-Control-Request-Method': 'PATCH' },
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.equal(answer.headers.get('access-control-allow-credentials'), null);
    assert.equal(answer.headers.get('access-control-allow-methods'), 'GET,HEAD,PUT,PATCH,POST,DELETE');
    assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization,content-type');
    assert.match(answer.headers.get('vary'), /Origin/);
  }
});

test('an Origin makes an answer readable to any page, an error too', async () => {
  const options = { headers: { Origin: 'https://example.org' } };
  for (const path of [records('nats_accounts'), '/api/nothing']) {
    const answer = await daemon.api('GET', path, undefined, options);
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  }
  const without = await daemon.api('GET', '/api/health');
  assert.equal(without.headers.get('access-control-allow-origin'), null);
});

test('HEAD is GET without the body', async () => {
  const get = await daemon.api('GET', '/api/health');
  const answer = await raw(head('HEAD /api/health HTTP/1.1'));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(answer, new RegExp(`content-length: ${get.text.length}\r\n`, 'i'));
  assert.match(answer, /\r\n\r\n$/);
});

// ---- requests as bytes ---------------------------------------------------------------

for (const [what, text, status] of [
  ['an encoded slash in a path', head('GET /api/collections%2fnats_accounts/records HTTP/1.1'), 400],
  ['an encoded NUL in a path', head('GET /api/health%00 HTTP/1.1'), 400],
  ['two lengths', `${head('POST /api/collections/nats_accounts/records HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2', 'Content-Length: 3')}{}`, 400],
  ['two hosts', head('GET /api/health HTTP/1.1', 'Host: y'), 400],
]) {
  test(`${what} is refused in the envelope of errors`, async () => {
    const answer = await raw(text);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    assert.deepEqual(Object.keys(body), ['data', 'message', 'status']);
    assert.equal(body.status, status);
    assert.ok(body.message.length > 5);
  });
}

test('a body over the limit is refused unread', async () => {
  const answer = await raw(head('POST /api/collections/nats_accounts/records HTTP/1.1', `Authorization: ${daemon.token}`, 'Content-Type: application/json', 'Content-Length: 300000'));
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /"status":413/);
});

test('a header of the request cannot put one into the answer', async () => {
  const answer = await raw(head('OPTIONS /api/health HTTP/1.1', 'Origin: x', 'Access-Control-Request-Headers: a\tb'));
  assert.match(answer, /^HTTP\/1\.1 (204|400) /);
  assert.doesNotMatch(answer, /a\tb/);
});

test('each answer has an id of its own', async () => {
  const ids = await Promise.all([1, 2, 3].map(async () => (await daemon.api('GET', '/healthz')).headers.get('x-request-id')));
  assert.equal(new Set(ids).size, 3);
  for (const id of ids) assert.match(id, /^\w{15}$/);
});

test('concurrent writes of one name: one is made, the others are told', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => daemon.api('POST', records('nats_roles'), { name: 'raced' })));
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400, 400, 400, 400, 400, 400, 400]);
  for (const answer of answers.filter(({ status }) => status === 400)) assert.equal(answer.body.data.name.code, 'validation_not_unique');
});
