// The two ways to a bridge: a child process, and a unix socket. Both are {input, output, ended, end}: the stream to write
// to, the one to read from, a promise of how it ended (a text), and a function that waits for that or brings it about.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { peerFailed } from "./errors.js";
import { openPlace } from "./place.js";

const END_MS = 15000; // it may be serving a request, and logs out of its devices
const KILL_MS = 3000;
const AFTERWARDS = "if it was signing, the audit log has what became of it";

/** Start a plugin process. Its standard error is ours. */
export async function openProcess([program, ...args], { env, cwd } = {}) {
  const child = spawn(program, args, { env, cwd, stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((settle) => {
    child.once("exit", (status, signal) =>
      settle(`the plugin ${signal ? `was killed by ${signal}` : `ended with exit status ${status}`}; ${AFTERWARDS}`),
    );
  });
  await new Promise((settle, fail) => {
    child.once("spawn", settle);
    child.once("error", (cause) => fail(peerFailed(`${program} could not be started: ${cause.code}`, cause)));
  });
  child.on("error", () => {}); // a signal that could not be sent; the process has ended then
  const end = async () => {
    if (await within(END_MS, ended)) return;
    child.kill("SIGTERM");
    if (await within(KILL_MS, ended)) return;
    child.kill("SIGKILL");
    await ended;
  };
  return { input: child.stdin, output: child.stdout, ended, end };
}

/** Connect to a bridge that listens on a unix socket of this user's or root's. */
export async function openSocket(path) {
  const place = openPlace(path);
  const socket = connect(place.address);
  try {
    await new Promise((settle, fail) => {
      socket.once("connect", settle);
      socket.once("error", (cause) => fail(peerFailed(`no bridge listens on ${path}: ${cause.code}`, cause)));
    });
  } finally {
    place.close();
  }
  const ended = new Promise((settle) => {
    socket.once("close", () => settle(`the bridge closed the connection; ${AFTERWARDS}`));
  });
  const end = async () => {
    if (!(await within(END_MS, ended))) socket.destroy();
  };
  return { input: socket, output: socket, ended, end };
}

/** Tell whether a promise was kept in time. */
async function within(ms, promise) {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return inTime;
}
