// As much of a WebSocket as the official client needs: Node 20 has none of its own.
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

const opcodes = { binary: 2, close: 8, ping: 9, pong: 10 };

export class WebSocket {
  #socket = null;
  #input = Buffer.alloc(0);
  #closed = false;

  /** url: ws://HOST:PORT; the handlers onopen, onmessage, onclose and onerror are set by the caller. */
  constructor(url) {
    const headers = {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    };
    const asked = request(url.replace(/^ws:/, 'http:'), { headers });
    asked.on('upgrade', (_, socket, head) => {
      this.#socket = socket;
      socket.on('data', (data) => this.#read(data));
      socket.on('close', () => this.#end());
      socket.on('error', () => {}); // 'close' follows
      this.onopen?.();
      this.#read(head);
    });
    asked.on('response', (response) => this.onerror?.({ message: `HTTP ${response.statusCode}` }));
    asked.on('error', (error) => this.onerror?.(error));
    asked.end();
  }

  send(data) {
    this.#write(opcodes.binary, Buffer.from(data));
  }

  close() {
    this.#write(opcodes.close, Buffer.alloc(0));
    this.#socket?.end();
  }

  #write(opcode, payload) {
    const mask = randomBytes(4);
    const head = Buffer.alloc(8);
    head.writeUInt8(0x80 | opcode, 0);
    head.writeUInt8(0x80 | 126, 1); // always in 16 bits
    head.writeUInt16BE(payload.length, 2);
    mask.copy(head, 4);
    this.#socket?.write(Buffer.concat([head, payload.map((byte, index) => byte ^ mask[index % 4])]));
  }

  #read(data) {
    this.#input = Buffer.concat([this.#input, data]);
    while (this.#input.length >= 2) {
      const short = this.#input[1] & 0x7f;
      const at = { 126: 4, 127: 10 }[short] ?? 2;
      if (this.#input.length < at) return;
      const length = { 126: () => this.#input.readUInt16BE(2), 127: () => Number(this.#input.readBigUInt64BE(2)) }[short]?.() ?? short;
      if (this.#input.length < at + length) return;
      const opcode = this.#input[0] & 0x0f;
      const payload = Uint8Array.from(this.#input.subarray(at, at + length));
      this.#input = this.#input.subarray(at + length);
      if (opcode === opcodes.ping) this.#write(opcodes.pong, Buffer.from(payload));
      else if (opcode === opcodes.close) this.#socket.end();
      else if (opcode !== opcodes.pong) this.onmessage?.({ data: payload.buffer });
    }
  }

  #end() {
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.({ wasClean: true, reason: '' });
  }
}
