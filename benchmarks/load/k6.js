// k6: the report's load. Each virtual user claims one coupon as a user drawn at random, waits, and claims again.
// in:  URL (of the claim), TOKENS (file, one a line), USERS, SECONDS, PAUSE (seconds), SUMMARY (file)
import http from 'k6/http';
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { SharedArray } from 'k6/data';

const tokens = new SharedArray('tokens', () => open(__ENV.TOKENS).trim().split('\n'));
const accepted = new Counter('accepted');
const repeated = new Counter('repeated');
const failed = new Counter('failed');
const pause = Number(__ENV.PAUSE);

export const options = {
  vus: Number(__ENV.USERS),
  duration: `${__ENV.SECONDS}s`,
  summaryTrendStats: ['avg', 'p(50)', 'p(90)', 'p(95)', 'p(99)', 'max'],
};

export default function () {
  const token = tokens[Math.floor(Math.random() * tokens.length)];
  const response = http.post(__ENV.URL, null, { headers: { Authorization: `Bearer ${token}` } });
  (response.status === 202 ? accepted : response.status === 200 ? repeated : failed).add(1);
  sleep(pause);
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data) };
}
