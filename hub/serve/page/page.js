// The newest incidents of every force, live. Times are shown as the forces tell them (Europe/London).

const MOST = 100;
const RETRY_MS = 2000;
const LOST = "Connection lost; what is shown may be out of date. Trying again…";
const incidents = new Map();
const shown = { after: null };
const $ = (id) => document.getElementById(id);
const filters = $("filters").elements;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const words = (text) => (text ?? "").toLowerCase().replaceAll("_", " ");
const title = (text) => text.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// What the server says no to, with its reason; whatever else fails is a lost connection.
class Refused extends Error {}

async function ask(path) {
  const [token, reason] = ["token", "reason"].map((name) => sessionStorage.getItem(name));
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(reason && { Justification: reason }) };
  const answer = await fetch(path, { headers });
  if (answer.ok) return answer;
  const { title, detail } = await answer.json();
  if (answer.status === 401) signIn("token", "Not signed in");
  if (title === "Why do you ask?") signIn("reason", "Say why you look");
  throw answer.status < 500 ? new Refused(detail) : new Error(detail);
}

async function get(path) {
  return (await ask(path)).json();
}

let signedIn = Promise.resolve();

// Ask the person for a token, or for the reason that some hubs want of everybody.
function signIn(wanted, state) {
  if (!$("sign-in").hidden) return;
  for (const name of ["token", "reason"]) {
    $(name).closest("label").hidden = name !== wanted;
    $(name).required = name === wanted;
  }
  $("sign-in").hidden = false;
  say("lost", state);
  if (wanted === "token" && sessionStorage.getItem("token")) $("sign-in-error").textContent = "That token is not valid.";
  $(wanted).focus();
  signedIn = new Promise((resolve) => { $("sign-in").addEventListener("submit", resolve, { once: true }); });
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  for (const name of ["token", "reason"]) {
    // A header holds plain letters alone.
    if ($(name).value) sessionStorage.setItem(name, $(name).value.replace(/[^ -~]/g, "?"));
    $(name).value = "";
  }
  $("sign-in-error").textContent = "";
  $("sign-in").hidden = true;
});

// How long ago, in words that stay true until the next redraw; a line does not break within them.
function ago(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))}\u00a0s\u00a0ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}\u00a0min\u00a0ago`;
  return `${Math.round(seconds / 3600)}\u00a0h\u00a0ago`;
}

let freshness = null;
let freshnessAt = 0;

function takeFreshness(said) {
  freshness = said;
  freshnessAt = performance.now();
  drawFreshness();
}

// Ages go on rising while nothing is heard, so a lost connection cannot look fresh.
function drawFreshness() {
  const since = (performance.now() - freshnessAt) / 1000;
  const cards = new Map();
  for (const feed of freshness.feeds) {
    if (!cards.has(feed.force)) {
      const card = element("li");
      card.append(element("strong", title(feed.force)));
      cards.set(feed.force, card);
    }
    cards.get(feed.force).append(freshnessLine(feed, feed.age_seconds === null ? null : feed.age_seconds + since));
  }
  for (const card of cards.values()) card.dataset.stale = card.querySelector("[data-stale=true]") !== null;
  $("freshness").replaceChildren(...cards.values());
}

function freshnessLine(feed, age) {
  const stale = age === null || age > freshness.stale_after_seconds;
  const known = age === null ? "nothing known yet" : `complete to ${clock.format(new Date(feed.complete_to))}, ${ago(age)}`;
  const name = feed.domain === "hr" ? "HR" : `${title(feed.domain)}s`;
  return element("span", `${name}: ${stale ? "STALE, " : ""}${known}`, { "data-stale": stale, "data-feed": `${feed.force}/${feed.domain}` });
}

setInterval(() => freshness && drawFreshness(), 1000);

function addOptions(select, value, label) {
  if (!value || [...select.options].some((option) => option.value === value)) return;
  select.append(element("option", label, { value }));
}

function coded(value) {
  const cell = element("td", null, { class: "coded" });
  if (!value) return cell;
  cell.append(element("span", value.common === "UNKNOWN" && !value.local ? "—" : words(value.common), { class: "tag", "data-value": value.common }));
  if (value.local) cell.append(" ", element("span", value.local, { class: "local" }));
  return cell;
}

function createdCell(incident) {
  const cell = element("td");
  const { earliest, latest, local } = incident.created ?? {};
  if (earliest) cell.append(element("time", clock.format(new Date(earliest)), { datetime: earliest }));
  else cell.append(element("span", local ?? "not stated", { class: "doubt" }));
  if (earliest && latest !== earliest) cell.append(element("div", "or an hour later (clocks went back)", { class: "doubt" }));
  return cell;
}

function row(incident) {
  const made = element("tr", null, { "data-id": incident.id });
  const number = element("td");
  const open = element("button", incident.reference ?? incident.source_key, { type: "button" });
  open.addEventListener("click", () => showOne(incident.id));
  number.append(open);
  made.append(createdCell(incident), number, element("td", title(incident.force)), coded(incident.grade), coded(incident.status));
  if (incident.restricted && !incident.location) {
    made.append(element("td", "Restricted by its force", { colspan: 3, class: "local" }));
    return made;
  }
  const what = element("td");
  what.append(element("div", title(words(incident.opening?.category))), element("div", incident.summary ?? "", { class: "local" }));
  const where = element("td", incident.location?.text ?? "");
  const area = incident.location?.geographic_force;
  if (area && area !== incident.force) where.append(element("div", `in ${title(area)}`, { class: "doubt" }));
  const units = (incident.resources ?? []).map((unit) => `${unit.callsign} (${words(unit.common)})`).join(", ");
  made.append(what, where, element("td", units));
  return made;
}

function wanted(incident) {
  return !incident.deleted
    && (!filters.force.value || incident.force === filters.force.value)
    && (!filters.status.value || incident.status?.common === filters.status.value)
    && (!filters.grade.value || incident.grade?.common === filters.grade.value);
}

const when = (incident) => incident.created?.earliest ?? incident.provenance?.read_at ?? "";
let fresh = new Set();
let drawing = false;

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const list = [...incidents.values()].filter(wanted).sort((a, b) => (when(a) < when(b) ? 1 : -1)).slice(0, MOST);
    const rows = list.map((incident) => {
      const made = row(incident);
      if (fresh.has(incident.id)) made.className = "new";
      return made;
    });
    document.querySelector("#incidents tbody").replaceChildren(...rows);
    $("empty").hidden = list.length > 0;
    fresh = new Set();
  });
}

function take(incident, isNew) {
  const known = incidents.get(incident.id);
  if (known && (known.source_version > incident.source_version
    || (known.source_version === incident.source_version && known.mapping_version > incident.mapping_version))) return;
  incidents.set(incident.id, incident);
  addOptions(filters.force, incident.force, title(incident.force));
  addOptions(filters.status, incident.status?.common, words(incident.status?.common));
  addOptions(filters.grade, incident.grade?.common, words(incident.grade?.common));
  if (isNew) fresh.add(incident.id);
  forgetOldest();
  draw();
}

function forgetOldest() {
  if (incidents.size <= 20 * MOST) return;
  const oldest = [...incidents.values()].sort((a, b) => (when(a) < when(b) ? -1 : 1)).slice(0, 10 * MOST);
  for (const incident of oldest) incidents.delete(incident.id);
}

async function showOne(id) {
  const { record, history } = await get(`incidents/${encodeURIComponent(id)}`);
  $("one-title").textContent = record.reference ?? record.id;
  const source = record.provenance ?? {};
  const facts = { Force: title(record.force), System: record.system, "Source key": record.source_key, "Read from": source.source_position, "Read at": source.read_at && clock.format(new Date(source.read_at)), Event: source.raw_topic && `${source.raw_topic}, partition ${source.raw_partition}, offset ${source.raw_offset}`, Version: `${record.source_version}, mapping ${record.mapping_version}` };
  $("one-source").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [element("dt", name), element("dd", value ?? "not stated")]));
  $("one-history").replaceChildren(...history.map((entry) => element("li", `version ${entry.source_version}: ${entry.record.deleted ? "deleted" : words(entry.record.status?.common ?? "restricted")}, visible ${clock.format(new Date(entry.applied_at))}`)));
  $("one-record").textContent = JSON.stringify(record, null, 2);
  $("one").showModal();
}

function say(state, text) {
  $("link").dataset.state = state;
  $("link").textContent = text;
}

function dispatch(block) {
  const fields = Object.fromEntries(block.split("\n").filter((line) => line.includes(": ")).map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
  if (!fields.data) return;
  const data = JSON.parse(fields.data);
  if (fields.event === "freshness") takeFreshness(data);
  if (fields.event === "incident") take(data, true);
  if (fields.id) shown.after = Number(fields.id);
}

async function follow() {
  const answer = await ask(`changes?after=${shown.after}`);
  say("live", "Live");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    blocks.forEach(dispatch);
  }
}

async function load() {
  const said = await get("freshness");
  takeFreshness(said);
  const { records } = await get(`incidents?limit=${MOST}`);
  for (const incident of records) take(incident, false);
  shown.after = said.change_number;
  draw();
}

for (const select of [filters.force, filters.status, filters.grade]) select.addEventListener("change", async () => {
  const asked = new URLSearchParams(new FormData($("filters")));
  for (const [name, value] of [...asked]) if (!value) asked.delete(name);
  asked.set("limit", MOST);
  const { records } = await get(`incidents?${asked}`);
  for (const incident of records) take(incident, false);
  draw();
});

for (;;) {
  const began = performance.now();
  let lost = LOST;
  try {
    if (shown.after === null) await load();
    await follow();
    if (performance.now() - began > RETRY_MS) continue; // in order: a connection's longest life was over
  } catch (error) {
    if (!$("sign-in").hidden) {
      await signedIn;
      say("connecting", "Connecting…");
      continue;
    }
    console.warn(error);
    if (error instanceof Refused) lost = error.message;
  }
  say("lost", lost);
  await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
