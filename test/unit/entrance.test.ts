import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Entrance } from '../../src/agent/entrance.ts';

test('who comes early waits, and nobody overtakes', () => {
  const heard: number[] = [];
  const entrance: Entrance<number> = new Entrance(event => {
    heard.push(event);
    if (event === 1) entrance.post(10);
  });
  entrance.post(1);
  entrance.post(2);
  assert.deepEqual(heard, []);
  entrance.open();
  entrance.post(3);
  assert.deepEqual(heard, [1, 2, 10, 3]);
});
