// Drive the Node SDK: one session.
//
// Options: `transcriber`, arguments of its constructor; `path` after the URL; `token`, arguments of a request for a
// temporary token to connect with; `audio`, `frame_ms`, `speed`; `steps`, a list of [name, value]: `audio`
// [from_ms, to_ms], `update` {configuration}, `force_endpoint`, `keep_alive`, `await_finals` n. The session is closed
// after the last step.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

// Unlike import, require looks where NODE_PATH points.
const { AssemblyAI, StreamingTranscriber } = createRequire(import.meta.url)("assemblyai");

const API_KEY = "self-hosted";
const BYTES_PER_MS = 32; // 16 kHz, 16 bits, one channel
const WAV_HEADER_BYTES = 44;

const options = JSON.parse(process.argv[2]);

function report(event, fields = {}) {
  console.log(JSON.stringify({ event, at_s: performance.now() / 1000, ...fields }));
}

console.warn = (text) => report("warned", { text: String(text) });

async function credentials() {
  if (!options.token) return { apiKey: API_KEY };
  const client = new AssemblyAI({ apiKey: API_KEY, streamingBaseUrl: options.http_url });
  const token = await client.streaming.createTemporaryToken(options.token);
  report("token", { token });
  return { token };
}

class Finals {
  count = 0;
  wake = () => {};

  add() {
    this.count += 1;
    this.wake();
  }

  async reach(count) {
    while (this.count < count) await new Promise((wake) => (this.wake = wake));
  }
}

function watch(transcriber, finals) {
  transcriber.on("open", (message) => report("Begin", message));
  transcriber.on("speechStarted", (message) => report("SpeechStarted", message));
  transcriber.on("turn", (message) => {
    report("Turn", message);
    if (message.end_of_turn) finals.add();
  });
  transcriber.on("error", (error) => report("error", { code: error.code ?? null, text: error.message }));
  transcriber.on("close", (code, reason) => report("close", { code, reason }));
}

async function sendAudio(transcriber, [fromMs, toMs]) {
  const { frame_ms: frameMs = 50, speed = 1 } = options;
  const pcm = readFileSync(options.audio).subarray(WAV_HEADER_BYTES);
  const part = pcm.subarray(fromMs * BYTES_PER_MS, toMs === null ? undefined : toMs * BYTES_PER_MS);
  const frameBytes = frameMs * BYTES_PER_MS;
  const startedMs = performance.now();
  for (let at = 0; at < part.length; at += frameBytes) {
    await sleep(Math.max(startedMs + at / BYTES_PER_MS / speed - performance.now(), 0));
    transcriber.sendAudio(part.subarray(at, at + frameBytes));
  }
}

async function doSteps(transcriber, finals) {
  const known = {
    audio: (spanMs) => sendAudio(transcriber, spanMs),
    update: (configuration) => transcriber.updateConfiguration(configuration),
    force_endpoint: () => transcriber.forceEndpoint(),
    keep_alive: () => transcriber.keepAlive(),
    await_finals: (count) => finals.reach(count),
  };
  for (const [name, value] of options.steps) {
    await known[name](value);
    report("did", { step: name });
  }
}

async function main() {
  const transcriber = new StreamingTranscriber({
    websocketBaseUrl: options.url + (options.path ?? "/v3/ws"),
    sampleRate: 16000,
    ...(await credentials()),
    ...options.transcriber,
  });
  const finals = new Finals();
  watch(transcriber, finals);
  try {
    await transcriber.connect();
  } catch (error) {
    report("rejected", { code: error.code ?? null, text: error.message });
    return;
  }
  await doSteps(transcriber, finals);
  report("terminating");
  // 0: no limit of its own, so that only Termination or a close ends the wait.
  await transcriber.close(true, 0);
  report("closed");
}

await main();
