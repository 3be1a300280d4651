/** Ends something that a run has started. */
export type Stop = () => Promise<void>;

/**
 * Makes a run within a time, and ends whatever it has started, the last first, however it goes.
 *
 * @param steps gather what has to be ended
 * @throws Error when a step fails, or the time is over
 */
export async function boundedRun<T>(runMsMax: number, steps: (stops: Stop[]) => Promise<T>): Promise<T> {
  const stops: Stop[] = [];
  let isLate = false;
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  // Ending the processes makes whatever is waited for fail, so nothing outlives the limit.
  const timer = setTimeout(() => {
    isLate = true;
    void stopAll();
  }, runMsMax);
  try {
    return await steps(stops);
  } catch (error) {
    if (isLate) throw new Error(`not done after ${runMsMax / 1000} s`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    await stopAll();
  }
}
