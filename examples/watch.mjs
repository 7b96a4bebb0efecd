#!/usr/bin/env node
// Connects with a creds file and prints what it receives and what it is refused, until Ctrl-C.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

const usage = `usage: node examples/watch.mjs FILE.creds SUBJECT... [--url URL] [--publish SUBJECT=TEXT]

  --url URL               the server, or several with commas between (nats://127.0.0.1:4222)
  --publish SUBJECT=TEXT  publish TEXT to SUBJECT every second; can be given several times`;

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: 'string', default: 'nats://127.0.0.1:4222' },
      publish: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const [file, ...subjects] = positionals;
  const publish = values.publish.map((pair) => /^([^=]+)=(.*)$/s.exec(pair)?.slice(1));
  if (!file) throw new Error('a creds file is needed');
  if (publish.includes(undefined)) throw new Error('--publish takes SUBJECT=TEXT');
  if (subjects.length + publish.length === 0) throw new Error('a SUBJECT or --publish is needed');
  readFileSync(file);
  return { file, subjects, publish, servers: values.url.split(',') };
}

function print(...words) {
  console.log(new Date().toISOString().slice(11, 23), ...words);
}

let options;
try {
  options = readArguments();
} catch (error) {
  console.error(`watch: ${error.message}\n\n${usage}`);
  process.exit(2);
}

const open = new Set(); // the subjects that are subscribed
let nc = null;
let isConnected = false;
let pause = 0; // before the next try, in milliseconds: 50, 100, 200, ... 1000
let trouble = ''; // the last one printed, so that each is printed once

function nextPause() {
  pause = Math.min(1000, pause === 0 ? 50 : pause * 2);
  return pause;
}

function report(error) {
  if (error.name === 'PermissionViolationError') {
    print(`refused to ${error.operation === 'publish' ? 'publish' : 'subscribe'} to ${error.subject}`);
  } else if (error.message !== trouble) {
    trouble = error.message;
    print(`refused: ${error.message}`);
  }
}

/** Also after a reconnect: the client drops a subscription that is refused, and a changed role may allow it. */
function subscribe() {
  for (const subject of options.subjects) {
    if (open.has(subject)) continue;
    open.add(subject);
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (error) open.delete(subject);
        else print(`received ${message.subject}: ${message.string()}`);
      },
    });
  }
}

function onConnected(word) {
  isConnected = true;
  pause = 0;
  trouble = '';
  print(`${word} ${nc.getServer()}`);
  subscribe();
}

async function follow() {
  for await (const status of nc.status()) {
    if (status.type === 'error') {
      report(status.error);
    } else if (status.type === 'disconnect' && isConnected) { // each try that is refused reports one more
      isConnected = false;
      print(`disconnected from ${status.server}`);
    } else if (status.type === 'reconnect' && !isConnected) {
      onConnected('reconnected to');
    }
  }
}

process.once('SIGINT', stop);
process.once('SIGTERM', stop);
async function stop() {
  await nc?.close();
  print('stopped');
  process.exit(0);
}

while (nc === null) {
  try {
    nc = await connect({
      name: 'watch',
      servers: options.servers,
      // Read anew for each connection: a new file is taken without a restart.
      authenticator: credsAuthenticator(() => readFileSync(options.file)),
      timeout: 2000, // for one try to connect
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true, // who is suspended today may be back tomorrow
      reconnectDelayHandler: nextPause,
    });
  } catch (error) {
    report(error);
    await new Promise((resolve) => { setTimeout(resolve, nextPause()); });
  }
}
onConnected('connected to');
setInterval(() => {
  for (const [subject, text] of isConnected ? options.publish : []) nc.publish(subject, text);
}, 1000);
await follow();
