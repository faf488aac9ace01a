/** Reading the events of a tenant, judging them by the rules as they are, and by those on trial. */
const PARTS = 3;

/**
 * Tells how many events of a tenant are done while each goes through all parts of the work: an event is done when the three
 * parts together have got so far, so that progress is told all the time and comes to the number of events at the end.
 */
export class JudgedShare {
  #done = 0;
  #told = 0;

  /** `events` are as many as there are to be read, about. */
  constructor(
    private readonly events: number,
    private readonly onEvents: (count: number) => void,
  ) {}

  /** One part has come so much further, of 1. */
  add(part: number): void {
    this.#done += part;
    this.#tell(Math.min(this.events, Math.floor((this.events * this.#done) / PARTS)));
  }

  /** All is done, and there were so many. */
  end(events: number): void {
    this.#tell(events);
  }

  #tell(events: number): void {
    if (events !== this.#told) {
      this.onEvents(events - this.#told);
      this.#told = events;
    }
  }
}
