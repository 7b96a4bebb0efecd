// docs/identity.md: its commands run as they stand, in their order, and its table of effects is what servers do.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from '@nats-io/jwt';
import { blocks, quoted, readDoc, rows, section } from './lib/docs.mjs';
import { superuser } from './lib/natsid.mjs';
import { launch, root, until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const jwtOf = (creds) => /^eyJ\S+$/m.exec(creds)[0];
const seedOf = (creds) => /^SU\w+$/m.exec(creds)[0];

onStage('the commands of docs/identity.md', {}, (stage, test) => {
  let text, printed, login;

  test('all of them', async () => {
    text = await readDoc('docs/identity.md');
    login = blocks(await readDoc('README.md'), 'sh').find((block) => block.startsWith('URL='))
      .replace(/^URL=.*$/m, `URL=${stage.daemon.url}`).replace('admin@example.com', superuser.email);
    // A mark behind each block, so that what is printed can be told apart.
    const commands = blocks(text, 'sh').map((block) => `${block}printf '\\n---\\n'\n`).join('');
    assert.match(commands, /signing-keys/);
    const script = `set -euo pipefail\ncd '${stage.directory}'\n${login}\n${commands}`;
    const { child, output, ended } = launch('bash', ['-c', script], { stdio: 'pipe' });
    child.stdin.end(`${superuser.password}\n`);
    assert.deepEqual(await ended, { code: 0, signal: null }, output.stdout + output.stderr);
    printed = output.stdout.split('\n---\n');
  });

  const said = (word) => {
    const index = blocks(text, 'sh').findIndex((block) => block.includes(word));
    assert.ok(index >= 0, word);
    return printed[index].trim();
  };

  test('print what the text says', async () => {
    assert.match(said('sensor.*'), /It feeds \{\{name\(\)\}\}/);
    assert.equal(JSON.parse(said('"mappings"'))['orders.*'][0].weight, 10);
    const revocations = JSON.parse(said('jq .revocations').split('\n').slice(1).join(''));
    assert.match(Object.keys(revocations)[0], /^U/);
    const rollout = said('add_signing_key').split('\n');
    const keys = rollout.slice(1, -1).map((line) => JSON.parse(line));
    assert.deepEqual(keys.map(({ key_set, signs }) => [key_set, signs]), [[1, false], [1, false], [2, true], [2, true]]);
    assert.equal(rollout.at(-1), '2');
    assert.match(said('/revoke --json'), /^\{"A\w+":\d+\}$/);
    assert.equal(said('creds-link'), `${stage.daemon.url}/creds#${/#(.*)$/.exec(said('creds-link'))[1]}`);
    assert.equal(said('creds/nonce'), '["expires_at","nonce","sign"]');
    assert.equal(JSON.parse(said('expiring')).nats_username, 'sensor-1');
    assert.deepEqual(JSON.parse(said('dry_run')), { dry_run: true, accounts_total: 1, connections_cut: 0 });
  });

  test('the renewal in JavaScript', async () => {
    const file = join(stage.directory, 'sensor-1.creds');
    const before = await readFile(file, 'utf8');
    const { iat } = decode(jwtOf(before));
    await until('the next second', () => Date.now() / 1000 > iat + 1);
    const [script] = blocks(text, 'js');
    const { child, output, ended } = launch(process.execPath, ['--input-type=module', '-', stage.daemon.url, file], { cwd: root, stdio: 'pipe' });
    child.stdin.end(script);
    assert.deepEqual(await ended, { code: 0, signal: null }, output.stderr);
    const after = await readFile(file, 'utf8');
    assert.equal(seedOf(after), seedOf(before));
    const fresh = decode(jwtOf(after));
    assert.ok(fresh.iat > iat);
    assert.equal(fresh.exp, fresh.iat + 2592000);
    assert.equal(Date.parse(output.stdout.trim().replace(' ', 'T')), fresh.exp * 1000);
    const client = await stage.connect(after);
    await client.isRefusedToPublish('telemetry.sensor-2.x');
  });

  test('links go to sections that there are', async () => {
    const anchor = (title) => title.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');
    for (const name of ['identity.md', 'convergence.md', 'api.md', 'cli.md', 'architecture.md', '../README.md', '../CONTRIBUTING.md']) {
      const source = await readDoc(`docs/${name}`);
      for (const [, path, fragment] of source.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
        const from = name.startsWith('../') ? '' : 'docs/';
        const target = await readDoc(path === '' ? `docs/${name}` : `${from}${path}`);
        const titles = [...target.matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1]));
        if (fragment) assert.ok(titles.includes(fragment), `${name}: ${path}#${fragment}`);
      }
    }
  });
});

const inFuture = (days) => new Date(Date.now() + days * 86_400_000).toISOString().replace('T', ' ');

/** What to do for each row of the table; before: what the user is like first. `of` is all that there is. */
const changes = {
  'user `{"active": false}`': { act: ({ change, user }) => change(user, { active: false }) },
  'user `{"active": true}`': {
    before: ({ change, user }) => change(user, { active: false }),
    act: ({ change, user }) => change(user, { active: true }),
  },
  'user `{"regenerate": true}`': { act: ({ change, user }) => change(user, { regenerate: true }) },
  'user `{"revoke": true}`': { act: ({ change, user }) => change(user, { revoke: true }) },
  'user deleted': { act: ({ stage, user }) => stage.remove(user) },
  'user to another `role_id`': { act: ({ change, user, otherRole }) => change(user, { role_id: otherRole.id }) },
  'user to another `account_id`': { act: ({ change, user, otherAccount }) => change(user, { account_id: otherAccount.id }) },
  "user's own permissions or limits narrowed": { act: ({ change, user }) => change(user, { publish_deny_permissions: ['secret'] }) },
  "user's own permissions or limits widened": { act: ({ change, user }) => change(user, { publish_permissions: ['more.>'] }) },
  "user's `jwt_expires_at` set, or earlier": { act: ({ change, user }) => change(user, { jwt_expires_at: inFuture(7) }) },
  "user's `jwt_expires_at` later": {
    fields: { jwt_expires_at: inFuture(7) },
    act: ({ change, user }) => change(user, { jwt_expires_at: inFuture(8) }),
  },
  "user's name or tags, no template of the role reads them": { act: ({ change, user }) => change(user, { nats_username: 'renamed', tags: ['new'] }) },
  "user's name or tags, and a template reads them": {
    before: ({ change, role }) => change(role, { subscribe_permissions: ['_INBOX.>', 'to.{{name()}}.>'] }),
    act: ({ change, user }) => change(user, { nats_username: 'renamed' }),
  },
  "user's `full_name` or `description`": { act: ({ change, user }) => change(user, { full_name: 'New', description: 'new' }) },
  'role narrowed or widened': { act: ({ change, role }) => change(role, { publish_permissions: ['less.>'] }) },
  "role's `name`, `description` or `default_lifetime`": {
    act: ({ change, role }) => change(role, { name: `${role.name} renamed`, description: 'new', default_lifetime: 86400 }),
  },
  'account `{"active": false}`': { act: ({ change, account }) => change(account, { active: false }) },
  'account `{"revoke_all": true}`': { act: ({ change, account }) => change(account, { revoke_all: true }) },
  'account `{"rotate_keys": true}`': { act: ({ change, account }) => change(account, { rotate_keys: true }) },
  'account `{"add_signing_key": true}`': { act: ({ change, account }) => change(account, { add_signing_key: true }) },
  'account `{"remove_signing_key": KEY}`': {
    before: ({ change, account }) => change(account, { add_signing_key: true }),
    late: true, // the creds are of the set before
    act: ({ change, account }) => change(account, { remove_signing_key: account.signing_public_key }),
  },
  "account's `name`, `tags` or `mappings`": {
    act: ({ change, account }) => change(account, { name: `${account.name}-renamed`, tags: ['new'], mappings: { a: [{ subject: 'b' }] } }),
  },
};

for (const which of ['newest', 'oldest']) {
  onStage(`the table of effects of docs/identity.md on the ${which} server`, { which }, (stage, test) => {
    let table;

    test('has just the changes that are tried here', async () => {
      table = Object.fromEntries(rows(section(await readDoc('docs/identity.md'), 'What takes what away')).map(([change, ...cells]) => [change, cells]));
      assert.deepEqual(Object.keys(table).sort(), Object.keys(changes).sort());
      assert.ok(quoted(Object.keys(table)[0]).length > 0);
    });

    async function assertAfter(told, user, older) {
      if (told === 'none') {
        const { status } = await stage.daemon.api('GET', `/api/v1/users/${user.id}/creds`);
        assert.ok(status === 409 || status === 404, `${status}`);
        return;
      }
      const creds = await stage.creds(user);
      if (told === 'the same') assert.equal(creds, older);
      else {
        assert.notEqual(jwtOf(creds), jwtOf(older));
        assert.match(told, /^(same|new) key, new JWT$/);
        assert.equal(seedOf(creds) === seedOf(older), told.startsWith('same'));
      }
      await (await stage.connect(creds)).close();
    }

    for (const [index, [change, { fields, before, late, act }]] of Object.entries(changes).entries()) {
      test(change, async () => {
        const [live, old, afterwards] = table[change];
        const account = await stage.createAccount(`account-${index}`);
        const role = await stage.createRole(`role ${index}`, ['>'], ['>']);
        const user = await stage.createUser('user', account, role, fields);
        const of = {
          stage, account, role, user, change: (record, values) => stage.change(record, values),
          otherAccount: await stage.createAccount(`other-${index}`),
          otherRole: await stage.createRole(`other role ${index}`, ['>'], ['>']),
        };
        await stage.proven(account);
        if (before && !late && live !== '') await before(of);
        const creds = await stage.creds(user);
        if (before && (late || live === '')) await before(of);
        await stage.proven(account);
        const client = live !== '' && await stage.connect(creds);
        const since = performance.now();
        await act(of);
        if (live.startsWith('cut')) await client.event('disconnect', { since });
        if (live === 'cut, and back at once') await client.event('reconnect', { since });
        await stage.proven(account);
        if (old === 'refused') await stage.assertRefused(creds);
        else await (await stage.connect(creds)).close();
        if (live === 'stay') {
          await client.nc.flush();
          assert.equal(client.count('disconnect'), 0);
        }
        assert.ok(['cut', 'cut, and back at once', 'stay', ''].includes(live) && /^(refused|work( again)?)$/.test(old), `${live}, ${old}`);
        await assertAfter(afterwards, user, creds);
        await client?.close?.();
      });
    }
  });
}
