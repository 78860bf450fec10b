// A list of records in pages: asks the server for what is wanted, keeps what came, knows where each record stands. Draws nothing.
import { api } from "../studio.js";

export const PAGE = 48;
const MOST_KEPT = 40;
/** Pages of cards kept; the places of their records are kept for good. */
const MOST_AT_ONCE = 4;
/** Pages that one answer may hold. */

export class Pages {
  /** `ask(offset, limit, signal)` gives {total, of, records}; by default the route of lists. */
  constructor(dataset, query, sort, ask = null) {
    Object.assign(this, { dataset, query, sort, total: null, of: null });
    this.ask = ask ?? ((offset, limit, signal) => api.post("/api/record-lists/page", { dataset, query, sort, offset, limit }, { signal }));
    this.cards = new Map();
    this.places = new Map();
    this.ids = new Map();
    this.waiting = new Map();
    this.ended = new AbortController();
  }

  /** Number of pages; 0 for an empty list, null before the first answer. */
  get count() {
    return this.total === null ? null : Math.ceil(this.total / PAGE);
  }

  /** Cards of a page, from memory where they are. Rejects as the server does. */
  page(n) {
    if (this.cards.has(n)) return Promise.resolve(this.cards.get(n));
    if (!this.waiting.has(n)) this.waiting.set(n, this.load(n, 1).then((found) => found.get(n) ?? []).finally(() => this.waiting.delete(n)));
    return this.waiting.get(n);
  }

  /** Get a page before anybody wants it; trouble is told when it is wanted. */
  ahead(n) {
    if (this.total !== null && n >= 0 && n < this.count) this.page(n).catch(() => {});
  }

  /** Read pages first … first + many − 1, also those in memory. → Map page → cards */
  async load(first, many) {
    const found = new Map();
    for (let from = first; from < first + many; from += MOST_AT_ONCE) {
      const pages = Math.min(MOST_AT_ONCE, first + many - from);
      const answer = await this.ask(from * PAGE, pages * PAGE, this.ended.signal);
      Object.assign(this, { total: answer.total, of: answer.of });
      for (let n = from; n < from + pages; n++) {
        const cards = answer.records.slice((n - from) * PAGE, (n - from + 1) * PAGE);
        this.keep(n, cards);
        found.set(n, cards);
      }
    }
    return found;
  }

  keep(n, cards) {
    this.cards.delete(n);
    this.cards.set(n, cards);
    if (this.cards.size > MOST_KEPT) this.cards.delete(this.cards.keys().next().value);
    cards.forEach((card, i) => {
      this.places.set(card.id, n * PAGE + i);
      this.ids.set(n * PAGE + i, card.id);
    });
  }

  /** Place of a record in the list, from 0; null where it was not seen yet. */
  placeOf(id) {
    return this.places.get(id) ?? null;
  }

  /** Id of the record at a place; null beyond the ends. */
  async at(place) {
    if (place < 0 || (this.total !== null && place >= this.total)) return null;
    if (!this.ids.has(place)) await this.page(Math.floor(place / PAGE));
    return this.ids.get(place) ?? null;
  }

  /** A card that is in memory, or null. */
  card(id) {
    const place = this.placeOf(id);
    return place === null ? null : this.cards.get(Math.floor(place / PAGE))?.[place % PAGE] ?? null;
  }

  /** Nobody waits for this list any more. */
  stop() {
    this.ended.abort();
  }
}
