/** How long a bucket of usage is, in milliseconds. Prices, contracts and months begin and end on quarter hours of UTC. */
export const QUARTER_HOUR_MS = 900_000;
