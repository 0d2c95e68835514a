// Plays a stream to its end in headless Chromium with a real player, and prints what was seen as one JSON object.
//
//   node play.mjs --player hls|dash|shaka|page --url URL [options]      see README.md, or --help
//
// Exit: 0 it played as asked with no error event; 1 it did not; 2 wrong usage; 77 skipped, because Chromium or the
// node modules are missing (the reason is on stderr).

import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { access, constants, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const EXIT = { played: 0, failed: 1, usage: 2, skipped: 77 };
const HELP = `node play.mjs --player hls|dash|shaka|page --url URL
  --url URL            HLS master playlist, or DASH manifest (dash, shaka)
  --spki BASE64        accept a certificate with this SHA-256 of its public key (repeatable)
  --force-quic H:P     speak HTTP/3 to this host and port at once; without it QUIC is off (repeatable)
  --http1              no HTTP/2 in the ALPN
  --host-map RULE      e.g. "MAP cdn.test 127.0.0.1" (repeatable; localhost is 127.0.0.1 anyway)
  --until-end          play to the end (the default)
  --seconds N          play until this media time instead; of a live stream, for so long
  --low-latency        a low-latency live stream; with hls and dash
  --rate N             playback rate, to be quicker (default 1; not with page)
  --cmcd query|header  send CMCD (not with page)
  --credentials        send cookies with media requests (hls only)
  --cookie NAME=VALUE  a cookie that the media origin has set before (repeatable)
  --pages-url URL      serve the pages at this https origin, for an edge that lists its origins (default: any port, in clear)
  --pages-cert FILE    its certificate
  --pages-key FILE     the key of that
  --page URL           with page: the player page as somebody else serves it (default: the file in this repository)
  --timeout N          seconds for all of it (default 90)
  --screenshot FILE    a PNG of the page at the end
  --chromium FILE      default: $CHROMIUM, or chromium, chromium-browser, google-chrome on the PATH`;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const FILES = new Map([
  ["/harness.html", here("harness.html")],
  ["/player.html", here("../../crates/cli/assets/player.html")],
  ["/lib/hls.js", here("node_modules/hls.js/dist/hls.min.js")],
  ["/lib/dash.js", here("node_modules/dashjs/dist/modern/umd/dash.all.min.js")],
  ["/lib/shaka.js", here("node_modules/shaka-player/dist/shaka-player.compiled.js")],
]);

class Skip extends Error {}
class Usage extends Error {}

function options() {
  const text = { type: "string" }, list = { type: "string", multiple: true, default: [] }, flag = { type: "boolean", default: false };
  let values;
  try {
    ({ values } = parseArgs({ options: {
      player: text, url: text, spki: list, "force-quic": list, http1: flag, "low-latency": flag, "host-map": list, "until-end": flag, seconds: text,
      rate: { ...text, default: "1" }, cmcd: text, credentials: flag, cookie: list,
      "pages-url": text, "pages-cert": text, "pages-key": text, page: text, timeout: { ...text, default: "90" }, screenshot: text, chromium: text, help: flag } }));
  } catch (cause) {
    throw new Usage(cause.message);
  }
  if (values.help) throw new Usage("");
  if (!["hls", "dash", "shaka", "page"].includes(values.player)) throw new Usage("--player must be hls, dash, shaka or page");
  if (!URL.canParse(values.url ?? "")) throw new Usage("--url must be an absolute URL");
  if (values.cmcd && !["query", "header"].includes(values.cmcd)) throw new Usage("--cmcd must be query or header");
  if (values.credentials && values.player !== "hls") throw new Usage("--credentials is for hls");
  if (values.cookie.some((pair) => !/^[^=;\s]+=[^;\s]*$/.test(pair))) throw new Usage("--cookie must be NAME=VALUE");
  const pages = ["pages-url", "pages-cert", "pages-key"].filter((name) => values[name] !== undefined);
  if (pages.length % 3 !== 0) throw new Usage("--pages-url, --pages-cert and --pages-key come together");
  for (const name of ["timeout", "rate", "seconds"]) {
    if (values[name] !== undefined && !(Number(values[name]) > 0)) throw new Usage(`--${name} must be a number above 0`);
  }
  return values;
}

async function findChromium(named) {
  const wanted = named ?? process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = wanted ? [wanted] : ["chromium", "chromium-browser", "google-chrome"].flatMap((name) => folders.map((folder) => join(folder, name)));
  for (const file of candidates) {
    if (await access(file, constants.X_OK).then(() => true, () => false)) return file;
  }
  throw new Skip(wanted ? `no Chromium at ${wanted}` : "no Chromium on the PATH (set CHROMIUM, or install the package chromium)");
}

async function loadPuppeteer() {
  for (const [name, file] of FILES) {
    if (name.startsWith("/lib/") && !(await access(file).then(() => true, () => false))) throw new Skip("node modules are missing: run `npm ci` in tests/browser");
  }
  return import("puppeteer-core").then((module) => module.default, (cause) => {
    throw new Skip(`node modules are missing: run \`npm ci\` in tests/browser (${cause.code ?? cause.message})`);
  });
}

// The pages come from an origin of their own, so that every media request is a cross-origin one, as with real customers.
async function servePages(asked) {
  const answer = async (request, response) => {
    const file = FILES.get(request.url.split("?")[0]);
    const body = file && await readFile(file).catch(() => null);
    response.writeHead(body ? 200 : 404, { "content-type": file?.endsWith(".js") ? "text/javascript" : "text/html; charset=utf-8" });
    response.end(body ?? "not found");
  };
  const url = asked["pages-url"] && new URL(asked["pages-url"]);
  const server = url ? createSecureServer({ cert: await readFile(asked["pages-cert"]), key: await readFile(asked["pages-key"]) }, answer) : createServer(answer);
  await new Promise((resolve, reject) => server.once("error", reject).listen(url?.port || 0, "127.0.0.1", resolve));
  return { origin: url?.origin ?? `http://127.0.0.1:${server.address().port}`, close() { server.closeAllConnections(); server.close(); } };
}

function flags(asked, folder) {
  const maps = ["MAP localhost 127.0.0.1", ...asked["host-map"]]; // else Chromium tries ::1 over UDP and gives up on QUIC
  return [
    `--user-data-dir=${folder}`, `--host-resolver-rules=${maps.join(", ")}`, "--autoplay-policy=no-user-gesture-required", "--mute-audio",
    "--no-first-run", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ...(asked.spki.length ? [`--ignore-certificate-errors-spki-list=${asked.spki.join(",")}`] : []),
    ...(asked["force-quic"].length ? ["--enable-quic", `--origin-to-force-quic-on=${asked["force-quic"].join(",")}`] : ["--disable-quic"]),
    ...(asked.http1 ? ["--disable-http2"] : []),
  ];
}

function pageUrl(asked, pages) {
  if (asked.player === "page") return `${asked.page ?? `${pages.origin}/player.html`}#url=${encodeURIComponent(asked.url)}`;
  const query = new URLSearchParams({ player: asked.player, url: asked.url, rate: asked.rate });
  if (asked.cmcd) query.set("cmcd", asked.cmcd);
  if (asked["low-latency"]) query.set("live", "");
  if (asked.credentials) query.set("credentials", "");
  return `${pages.origin}/harness.html?${query}`;
}

// What the browser's network stack saw of the media origin: it needs no Timing-Allow-Origin, and sees what a player hides.
async function watchNetwork(page, mediaOrigin, errors) {
  const seen = { requests: 0, preflights: 0, blockingReloads: 0, bytes: 0, protocols: {}, statuses: {}, cache: {} };
  const mine = new Map();
  const count = (map, name) => { map[name] = (map[name] ?? 0) + 1; };
  const cdp = await page.createCDPSession();
  cdp.on("Network.requestWillBeSent", ({ requestId, request }) => {
    if (new URL(request.url).origin !== mediaOrigin) return;
    mine.set(requestId, new URL(request.url).pathname.split("/").slice(-2).join("/"));
    if (request.method === "OPTIONS") seen.preflights += 1; else seen.requests += 1;
    if (new URL(request.url).searchParams.has("_HLS_msn")) seen.blockingReloads += 1;
  });
  cdp.on("Network.responseReceived", ({ requestId, response }) => {
    if (!mine.has(requestId)) return;
    count(seen.protocols, response.protocol);
    count(seen.statuses, response.status);
    const status = Object.entries(response.headers).find(([name]) => name.toLowerCase() === "cache-status")?.[1];
    if (response.status !== 204) count(seen.cache, status === undefined ? "none" : /;\s*hit\b/.test(status.split(",").pop()) ? "hit" : "forwarded");
    if (response.status >= 400) errors.push(`HTTP ${response.status} for ${mine.get(requestId)}`);
  });
  cdp.on("Network.dataReceived", ({ requestId, dataLength }) => { if (mine.has(requestId)) seen.bytes += dataLength; });
  cdp.on("Network.loadingFailed", ({ requestId, errorText, canceled }) => {
    if (mine.has(requestId) && !canceled) errors.push(`${errorText} for ${mine.get(requestId)}`);
  });
  await cdp.send("Network.enable");
  return seen;
}

const snapshot = () => {
  const { ended, errors, stalls, firstFrameMs, currentTime, duration, retries, longestStallMs, latencyS, parts, digests } = window.millpond;
  return { ended, errors, stalls, firstFrameMs, currentTime, duration, retries, longestStallMs, latencyS, parts, digests };
};

async function play(browser, asked, pages) {
  const errors = [];
  const page = await browser.newPage();
  page.on("pageerror", (cause) => errors.push(`page: ${cause.message}`));
  const mediaOrigin = new URL(asked.url).origin;
  page.on("console", (message) => { // failed media requests are told by watchNetwork
    if (message.type() === "error" && !message.location().url?.startsWith(`${mediaOrigin}/`)) errors.push(`console: ${message.text()}`);
  });
  const network = await watchNetwork(page, mediaOrigin, errors);
  // As an owner's server sets them: for the media origin alone, and sent from other sites' pages.
  const cookies = asked.cookie.map((pair) => ({ name: pair.split("=")[0], value: pair.slice(pair.indexOf("=") + 1) }));
  if (cookies.length) await page.setCookie(...cookies.map((pair) => ({ ...pair, url: mediaOrigin, secure: true, httpOnly: true, sameSite: "None" })));
  const timeout = Number(asked.timeout) * 1000;
  let reached = false;
  try {
    await page.goto(pageUrl(asked, pages), { timeout });
    const until = asked.seconds === undefined ? null : Number(asked.seconds);
    await page.waitForFunction((time) => {
      const { ended, errors: failed, currentTime, position = currentTime } = window.millpond;
      return ended || failed.length > 0 || (time !== null && position >= time);
    }, { timeout, polling: 100 }, until);
    reached = await page.evaluate((time) => {
      const { ended, currentTime, position = currentTime } = window.millpond;
      return ended || (time !== null && position >= time);
    }, until);
    if (asked.screenshot) {
      await new Promise((resolve) => setTimeout(resolve, 500)); // the panel is drawn four times a second
      await page.setViewport({ width: 1280, height: 900 });
      await page.screenshot({ path: asked.screenshot });
    }
  } catch (cause) {
    errors.push(`runner: ${cause.message}`);
  }
  const state = await page.evaluate(snapshot).catch(() => ({ ended: false, errors: [] }));
  return { reached, seen: { player: asked.player, ...state, errors: [...state.errors, ...errors], ...network } };
}

async function main() {
  const asked = options();
  const executablePath = await findChromium(asked.chromium);
  const puppeteer = await loadPuppeteer();
  const folder = await mkdtemp(join(tmpdir(), "millpond-browser-"));
  const pages = await servePages(asked);
  let browser;
  const lateMs = (Number(asked.timeout) + 30) * 1000; // a browser that hangs is ended, and the test with it
  const late = setTimeout(() => { browser?.process()?.kill("SIGKILL"); process.exit(EXIT.failed); }, lateMs);
  try {
    browser = await puppeteer.launch({ executablePath, headless: true, args: flags(asked, folder), timeout: 60_000 });
    const { reached, seen } = await play(browser, asked, pages);
    console.log(JSON.stringify(seen));
    return reached && seen.errors.length === 0 ? EXIT.played : EXIT.failed;
  } finally {
    await browser?.close().catch(() => browser.process()?.kill("SIGKILL"));
    pages.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    clearTimeout(late);
  }
}

try {
  process.exitCode = await main();
} catch (cause) {
  if (cause instanceof Skip) { console.error(`skipped: ${cause.message}`); process.exitCode = EXIT.skipped; }
  else if (cause instanceof Usage) { console.error(`${cause.message}\n${HELP}`.trim()); process.exitCode = EXIT.usage; }
  else { console.error(cause); process.exitCode = EXIT.failed; }
}
