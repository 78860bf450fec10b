// Keeping what a person says: half a word in this browser at once and in the studio soon after; a whole word until the studio has it.
import { api } from "../../studio.js";

const DRAFT_MS = 400;
const read = (name) => { try { return JSON.parse(localStorage.getItem(name) ?? "{}") ?? {}; } catch { return {}; } };
const write = (name, value) => { try { Object.keys(value).length ? localStorage.setItem(name, JSON.stringify(value)) : localStorage.removeItem(name); } catch { /* a full store keeps nothing; the studio has the drafts */ } };

/** Everything of one rater. All writing to the studio goes one after the other, so that a late draft never outlives the word it became. */
export class Keeping {
  constructor(rater) {
    this.rater = rater;
    this.chain = Promise.resolve();
    this.timers = new Map();
  }

  get draftsName() { return `align2-rate-drafts-${this.rater}`; }
  get outboxName() { return `align2-rate-outbox-${this.rater}`; }
  get outbox() { return Object.values(read(this.outboxName)).sort((a, b) => a.at - b.at); }

  /** Run f after everything before it; its own failure reaches its caller only. */
  later(f) {
    const mine = this.chain.then(f);
    this.chain = mine.catch(() => {});
    return mine;
  }

  /** Keep a draft: here now, in the studio after a pause. null forgets it. */
  draft(item, draft) {
    const drafts = read(this.draftsName);
    if (draft) drafts[item] = draft; else delete drafts[item];
    write(this.draftsName, drafts);
    clearTimeout(this.timers.get(item));
    this.timers.set(item, setTimeout(() => this.put(item, draft), DRAFT_MS));
  }

  put(item, draft) {
    this.timers.delete(item);
    return this.later(() => api.put("/api/ratings/draft", { item, rater: this.rater, draft: draft ?? {} })).then(() => true).catch((error) => {
      if (error.status) this.forget(item); // the studio said no: there is no such item any more
      return false;
    });
  }

  /** Drop what this browser holds of an item, and any draft that was about to be sent. */
  forget(item) {
    clearTimeout(this.timers.get(item));
    this.timers.delete(item);
    const drafts = read(this.draftsName);
    delete drafts[item];
    write(this.draftsName, drafts);
  }

  local(item) { return read(this.draftsName)[item] ?? null; }

  /** After a reload: bring the studio what it had not got yet, words first. */
  async flush() {
    for (const entry of this.outbox)
      await this.deliver(entry).catch(({ status }) => { // what the studio refuses becomes a draft again, so that it can be seen and mended
        const { item, rater, ...said } = entry.body;
        if (status) return this.put(item, { ...said, at: entry.at });
      });
    const waiting = new Set(this.outbox.map((entry) => entry.body.item));
    for (const [item, draft] of Object.entries(read(this.draftsName))) if (!waiting.has(Number(item))) await this.put(Number(item), draft);
  }

  /** Say a whole word: path "send" or "skip". Resolves with the studio's answer; rejects with status 0 while it stays in the outbox. */
  say(path, body) {
    const entry = { path, body: { ...body, rater: this.rater }, at: Date.now() };
    const box = read(this.outboxName);
    box[body.item] = entry;
    write(this.outboxName, box);
    this.forget(body.item);
    return this.deliver(entry);
  }

  deliver(entry) {
    return this.later(() => api.post(`/api/ratings/${entry.path}`, entry.body)).then((answer) => { this.drop(entry.body.item); return answer; }, (error) => {
      if (error.status) this.drop(entry.body.item);
      throw error;
    });
  }

  drop(item) {
    const box = read(this.outboxName);
    delete box[item];
    write(this.outboxName, box);
  }
}
