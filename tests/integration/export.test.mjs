// What natsid exports for nats-servers, and that they take it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { initialised, operatorOf, scratch } from './lib/command.mjs';
import { serverBinary, serverVersion } from './lib/nats.mjs';
import { binary, must, natsid } from './lib/natsid.mjs';
import { launch } from './lib/processes.mjs';

const conf = async (data, args = []) => (await must(['export', 'nats-conf', '--data', data, ...args])).stdout;

/** nats-server -t on it; its complaint, or ''. */
async function complaint(which, file, cwd) {
  const { ended, output } = launch(serverBinary(which), ['-t', '-c', file], { cwd });
  const { code } = await ended;
  return code === 0 ? '' : output.stderr || `exit code ${code}`;
}

test('the configuration is complete: one key per line, paths quoted', async (t) => {
  const data = await initialised(await scratch(t));
  const text = await conf(data);
  const jwt = (await must(['export', 'operator-jwt', '--data', data])).stdout.trim();
  const has = (line) => assert.ok(text.split('\n').map((each) => each.trim()).includes(line), `${line}\n${text}`);
  has('server_name: "natsid-1"');
  has('port: 4222');
  has(`operator: "${jwt}"`);
  has('type: full');
  has(`dir: "${data}/nats/natsid-1/jwt"`);
  has('allow_delete: true');
  has('interval: "1m"');
  assert.doesNotMatch(text, /limit|jetstream/);
  const [, system] = /^system_account: "(A[A-Z2-7]{55})"$/m.exec(text);
  const [, key, preloaded] = /^resolver_preload: \{\n\t(A[A-Z2-7]{55}): "(\S+)"\n\}$/m.exec(text);
  assert.equal(key, system);
  assert.equal(JSON.parse(Buffer.from(preloaded.split('.')[1], 'base64url')).sub, system);
  assert.doesNotMatch(text, /\bS[A-Z2-7]{57}\b/);
});

test('exported twice it is the same', async (t) => {
  const data = await initialised(await scratch(t));
  assert.equal(await conf(data), await conf(data));
});

for (const which of ['newest', 'oldest']) {
  test(`the ${which} nats-server takes odd names and paths`, { timeout: 60_000 }, async (t) => {
    t.diagnostic(serverVersion(which));
    const odd = [
      'plain', 'with blanks  two', 'quo"te', "apo'strophe", 'back\\slash', 'two\\\\back', 'ends in \\', 'Ünïcödé Ω 漢字 🦀', '#hash',
      'dollar $HOME ${HOME} $(x)', 'a{b}c[d]', 'a,b;c:d=e', '%41%', '-dash', '*', '`tick`', '12k', 'true', '\\x41\\n\\t',
    ];
    const directory = await scratch(t);
    for (const name of odd) {
      const data = await initialised(directory, `data ${name}`, [`--operator=${name.trim()}`]);
      assert.equal((await operatorOf(data)).name, name.trim());
      const file = join(directory, 'server.conf');
      const jetstream = join(directory, `js ${name}`);
      await writeFile(file, await conf(data, ['--server-name', 'a.b_c-1', '--port', '15222', '--jetstream', jetstream]));
      assert.equal(await complaint(which, file, directory), '', name);
      // It is the very path that was meant: the server makes it there when it runs.
      assert.match(await readFile(file, 'utf8'), /^\tstore_dir: "/m);
    }
    assert.notEqual(await complaint(which, join(directory, 'none.conf'), directory), '', 'the check can fail');
  });
}

test('a server started on it keeps its files just where the configuration says', { timeout: 60_000 }, async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory, 'data "quoted" \\ Ω $HOME');
  const file = join(directory, 'server.conf');
  await must(['export', 'nats-conf', '--data', data, '--jetstream', join(directory, 'js \\ "x"'), '--output', file]);
  const { child, output, ended } = launch(serverBinary('newest'), ['-c', file, '-a', '127.0.0.1', '-p', '-1'], { cwd: directory });
  await Promise.race([
    ended.then(() => { throw new Error(output.stderr); }),
    new Promise((resolve) => { child.stderr.on('data', () => output.stderr.includes('Server is ready') && resolve()); }),
  ]);
  assert.match((await readdir(join(data, 'nats', 'natsid-1', 'jwt'))).join(), /^A[A-Z2-7]{55}\.jwt$/);
  assert.ok((await stat(join(directory, 'js \\ "x"', 'natsid-1', 'jetstream'))).isDirectory());
  child.kill('SIGTERM');
  await ended;
});

test('--jetstream with a relative path means the directory of the export, not of the server', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  for (const path of ['js', './js']) {
    const { ended, output } = launch(binary, ['export', 'nats-conf', '--data', data, '--jetstream', path], { cwd: directory });
    assert.equal((await ended).code, 0);
    assert.ok(output.stdout.includes(`store_dir: "${directory}/js/natsid-1"`), output.stdout);
  }
});

test('servers that are given the same --jetstream do not share a store, and one that has streams in it keeps them', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const stores = async (names) => Promise.all(names.map(async (name) => {
    const { stdout, stderr } = await must(['export', 'nats-conf', '--data', data, '--jetstream', join(directory, 'js'), '--server-name', name]);
    return [/store_dir: "(.*)"/.exec(stdout)[1].replace(`${directory}/`, ''), stderr];
  }));
  assert.deepEqual(await stores(['nats-1', 'nats-2']), [['js/nats-1', ''], ['js/nats-2', '']]);
  await mkdir(join(directory, 'js', 'nats-1', 'jetstream'), { recursive: true }); // as servers do
  assert.deepEqual(await stores(['nats-1', 'nats-2']), [['js/nats-1', ''], ['js/nats-2', '']]);
  await mkdir(join(directory, 'js', 'jetstream'));
  const [[store, words]] = await stores(['nats-1']);
  assert.equal(store, 'js');
  assert.match(words, /a server has streams in .*\/js\/jetstream already.*Another server needs another --jetstream/);
});

test('where streams cannot be looked for, nothing is said of where they are', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  await mkdir(join(directory, 'js'));
  await symlink('jetstream', join(directory, 'js', 'jetstream')); // to itself
  const { code, stdout, stderr } = await natsid(['export', 'nats-conf', '--data', data, '--jetstream', join(directory, 'js')]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /cannot see whether a server has streams in .*\/js\/jetstream: Too many levels/);
});

test('--output writes the file whole or leaves the old one', async (t) => {
  const directory = await scratch(t);
  const data = await initialised(directory);
  const file = join(directory, 'operator.jwt');
  const { stdout } = await must(['export', 'operator-jwt', '--data', data]);
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const toFile = (path) => natsid(['export', 'operator-jwt', '--data', data, '--output', path]);

  await writeFile(file, 'what was there before, and is longer than nothing\n');
  const before = await stat(file);
  const written = await toFile(file);
  assert.deepEqual([written.code, written.stdout, written.stderr], [0, '', '']);
  assert.equal(await readFile(file, 'utf8'), stdout);
  assert.notEqual((await stat(file)).ino, before.ino, 'renamed into its place');
  assert.equal((await stat(file)).mode & 0o777, 0o644);

  await mkdir(join(directory, 'taken'));
  const taken = await toFile(join(directory, 'taken'));
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /cannot write .*taken: Is a directory/);
  const nowhere = await toFile(join(directory, 'none', 'operator.jwt'));
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /cannot write .*none\/operator\.jwt: No such file/);
  assert.deepEqual((await readdir(directory)).sort(), ['data', 'operator.jwt', 'taken']);
});

test('a full standard output is a failure that is told', async (t) => {
  const data = await initialised(await scratch(t));
  const script = `exec "$1" export nats-conf --data "$2" >/dev/full`;
  assert.throws(
    () => execFileSync('sh', ['-c', script, 'sh', binary, data], { stdio: ['ignore', 'ignore', 'pipe'] }),
    (error) => error.status === 1 && /cannot write to standard output: No space left/.test(error.stderr),
  );
});

test('an unusable server name, port or path is named', async (t) => {
  const data = await initialised(await scratch(t));
  for (const [args, message] of [
    [['--server-name', ''], /--server-name ""/], [['--server-name', 'a b'], /--server-name "a b"/],
    [['--server-name', '../up'], /--server-name/], [['--server-name', '.'], /--server-name/],
    [['--server-name', 'x'.repeat(65)], /--server-name/], [['--port', '0'], /"0" is not a port/],
    [['--port', '65536'], /is not a port/], [['--port', '42x'], /is not a port/], [['--port', ''], /is not a port/],
    [['--jetstream', 'js', '--server-name', 'jetstream'], /use another name/],
    [['--jetstream', 'a\nb'], /store_dir.*control characters/],
  ]) {
    const { code, stdout, stderr } = await natsid(['export', 'nats-conf', '--data', data, ...args]);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, message);
  }
});
