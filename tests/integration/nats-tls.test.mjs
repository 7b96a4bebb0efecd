// TLS to NATS: the server's certificate is verified, natsid shows its own, and nothing goes in the clear where TLS is wanted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { must, natsid } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const directory = await mkdtemp(join(tmpdir(), 'natsid-tls-'));
after(() => rm(directory, { recursive: true, force: true }));
const file = (name) => join(directory, name);
const openssl = (...args) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });

/** NAME.crt and NAME.key that sign certificates. */
function makeCa(name) {
  openssl('req', '-x509', '-newkey', 'ed25519', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`,
    '-out', `${name}.crt`, '-addext', 'basicConstraints=critical,CA:TRUE');
}

/** NAME.crt and NAME.key, signed by the CA; alt: the names that it is for. */
async function makeCertificate(name, ca, alt) {
  openssl('req', '-newkey', 'ed25519', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  await writeFile(file(`${name}.ext`), `subjectAltName=${alt}\n`);
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2',
    '-extfile', `${name}.ext`, '-out', `${name}.crt`);
}

makeCa('ca');
makeCa('other-ca');
await makeCertificate('server', 'ca', 'DNS:localhost,IP:127.0.0.1');
await makeCertificate('elsewhere', 'ca', 'DNS:nats.example');
await makeCertificate('natsid', 'ca', 'DNS:natsid.example');
await makeCertificate('stranger', 'other-ca', 'DNS:natsid.example');

const ca = ['--nats-ca', file('ca.crt')];
const own = ['--nats-cert', file('natsid.crt'), '--nats-key', file('natsid.key')];
const quick = ['--nats-initial-backoff', '50ms', '--nats-max-backoff', '200ms'];
const tls = (name, verify) =>
  `tls { cert_file: "${file(`${name}.crt`)}", key_file: "${file(`${name}.key`)}", ca_file: "${file('ca.crt')}", verify: ${verify} }\n`;

for (const which of ['newest', 'oldest']) {
  onStage(`a ${which} server that verifies its clients`, {
    which, daemonArgs: [...quick, ...ca, ...own], more: () => tls('server', true),
  }, (stage, test) => {
    const url = () => `tls://127.0.0.1:${stage.servers[0].port}`;

    async function restart(args, nats) {
      await stage.stopDaemon();
      await stage.startDaemon({ args: [...quick, ...args], nats });
    }

    const connected = () => until('connected', async () => {
      const { nats } = await stage.api('GET', '/readyz');
      if (nats.connected) return nats;
      throw new Error(nats.error);
    });

    /** It says why it is not connected, and is not. */
    async function refused(pattern) {
      const nats = await until('a reason', async () => {
        const said = await stage.nats();
        assert.equal(said.connected, false);
        if (pattern.test(said.error)) return said;
        throw new Error(said.error);
      });
      return nats.error;
    }

    test('both sides show their certificates, and what is written arrives', async () => {
      await connected();
      await stage.createAccount('acme');
      await stage.converged();
    });

    for (const scheme of ['tls', 'nats']) {
      test(`by name, with ${scheme}://`, async () => {
        await restart([...ca, ...own], `${scheme}://localhost:${stage.servers[0].port}`);
        assert.equal((await connected()).role, 'primary');
      });
    }

    if (which === 'oldest') return;

    test('without a certificate of its own: refused', async (t) => {
      await restart(ca, url());
      t.diagnostic(await refused(/hung up.*client certificate/));
    });

    test("with another's certificate: refused", async (t) => {
      await restart([...ca, '--nats-cert', file('stranger.crt'), '--nats-key', file('stranger.key')], url());
      t.diagnostic(await refused(/hung up.*client certificate/));
    });

    for (const scheme of ['tls', 'nats']) {
      test(`a server that nobody trusted has signed: not taken, with ${scheme}://`, async (t) => {
        await restart(own, `${scheme}://127.0.0.1:${stage.servers[0].port}`);
        t.diagnostic(await refused(/unable to get local issuer certificate/));
        await restart(['--nats-ca', file('other-ca.crt'), ...own], `${scheme}://127.0.0.1:${stage.servers[0].port}`);
        await refused(/unable to get local issuer certificate/);
      });
    }

    test('certificates are read at each connect', async () => {
      await copyFile(file('stranger.crt'), file('renewed.crt'));
      await copyFile(file('stranger.key'), file('renewed.key'));
      await restart([...ca, '--nats-cert', file('renewed.crt'), '--nats-key', file('renewed.key')], url());
      await refused(/hung up/);
      await copyFile(file('natsid.key'), file('renewed.key'));
      await copyFile(file('natsid.crt'), file('renewed.crt'));
      await connected();
    });

    test('commands that ask the servers take the same options', async () => {
      await must(['operator', 'rotate-signing-key', '--data', stage.data, '--nats', url(), ...ca, ...own]);
    });
  });
}

onStage("a server with another host's certificate", {
  daemonArgs: [...quick, ...ca], more: () => tls('elsewhere', false),
}, (stage, test) => {
  for (const scheme of ['tls', 'nats']) {
    test(`it is not taken, with ${scheme}://`, async (t) => {
      await stage.stopDaemon();
      await stage.startDaemon({ nats: `${scheme}://127.0.0.1:${stage.servers[0].port}` });
      const said = await until('a reason', async () => {
        const nats = await stage.nats();
        assert.equal(nats.connected, false);
        return nats.error !== '' && nats;
      });
      assert.match(said.error, /IP address mismatch/);
      t.diagnostic(said.error);
    });
  }
});

onStage('a server without TLS', { daemonArgs: quick }, (stage, test) => {
  for (const [what, options, scheme] of [['a CA', ca, 'nats'], ['a certificate', own, 'nats'], ['tls://', [], 'tls']]) {
    test(`with ${what} nothing goes in the clear`, async (t) => {
      await stage.stopDaemon();
      await stage.startDaemon({ args: [...quick, ...options], nats: `${scheme}://127.0.0.1:${stage.servers[0].port}` });
      const said = await until('a reason', async () => {
        const nats = await stage.nats();
        assert.equal(nats.connected, false);
        return nats.error !== '' && nats;
      });
      assert.match(said.error, /secure|tls/i);
      t.diagnostic(said.error);
    });
  }

  test('files that are of no use are named before anything is made', async () => {
    await writeFile(file('empty'), '');
    const refuse = async (args, pattern) => {
      const { code, stderr } = await natsid(['serve', '--data', file('data'), '--listen', '127.0.0.1:0', ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
    };
    await refuse(['--nats-ca', file('missing')], /--nats-ca \S+missing: cannot be read: No such file/);
    await refuse(['--nats-ca', file('empty')], /--nats-ca \S+empty: no certificates/);
    await refuse(['--nats-ca', file('ca.key')], /--nats-ca \S+ca.key: no certificates/);
    await refuse(['--nats-cert', file('natsid.crt')], /--nats-key is missing/);
    await refuse(['--nats-key', file('natsid.key')], /--nats-cert is missing/);
    await refuse(['--nats-cert', file('natsid.crt'), '--nats-key', file('server.key')], /--nats-cert \S+, --nats-key \S+: they are not/);
    await refuse(['--nats-cert', file('natsid.key'), '--nats-key', file('natsid.key')], /--nats-cert \S+, --nats-key \S+: they are not/);
  });
});
