// Where the agent's socket is, and whether that place belongs to this user alone (docs/agent.md).
import { lstatSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BridgeError, peerFailed } from "./errors.js";

const OTHERS = 0o077;

/** The path of this user's agent's socket. */
export function socketPath(env = process.env) {
  const named = env.KEYRING_BRIDGE_SOCKET;
  if (named) {
    if (!isAbsolute(named) || named.endsWith("/")) {
      throw new BridgeError("config_invalid", "$KEYRING_BRIDGE_SOCKET is not the absolute path of a socket");
    }
    return named;
  }
  for (const base of [env.XDG_RUNTIME_DIR, env.XDG_STATE_HOME]) {
    if (base && isAbsolute(base)) return join(base, "keyring-bridge", "agent.sock");
  }
  return join(env.HOME || homedir(), ".local", "state", "keyring-bridge", "agent.sock");
}

/**
 * Make sure that nobody else can be behind a socket.
 *
 * Node.js does not tell who is at the other end of a connection. It need not: only the owner of the folder, who is this
 * user or root, can put a socket there, because the folder is 0700.
 *
 * @returns {string} the path to connect to
 * @throws {BridgeError} nobody listens there, or the folder or the socket is somebody else's, or others have access
 */
export function checked(path, user = process.geteuid()) {
  const socket = resolve(path);
  const folder = dirname(socket);
  const name = basename(socket);
  let of;
  try {
    of = { folder: lstatSync(folder), socket: lstatSync(socket) };
  } catch (cause) {
    throw peerFailed(`no bridge listens on ${socket}: ${cause.code ?? cause.message}`, cause);
  }
  const unsafe = (why) => peerFailed(`the socket ${socket} is not safe to use: ${why}`);
  if (of.folder.isSymbolicLink()) throw unsafe(`${folder} is a symbolic link`);
  if (!of.folder.isDirectory()) throw unsafe(`${folder} is no folder`);
  if (!isOurs(of.folder, user)) throw unsafe(`${folder} belongs to uid ${of.folder.uid}`);
  if (of.folder.mode & OTHERS) throw unsafe(`others have access to ${folder}, expected 0700`);
  if (of.socket.isSymbolicLink()) throw unsafe(`${name} is a symbolic link`);
  if (!of.socket.isSocket()) throw unsafe(`${name} is not a socket`);
  if (!isOurs(of.socket, user)) throw unsafe(`it belongs to uid ${of.socket.uid}`);
  return socket;
}

function isOurs(stats, user) {
  return stats.uid === user || stats.uid === 0;
}
