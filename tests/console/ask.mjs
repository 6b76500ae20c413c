// Requests to the API without a browser.

/// The answer to a request that may be made any number of times. Where its function is too slow, as on a machine that has much to do, it is
/// made again, as clients are asked to. A function that dies is not too slow.
export async function answered(address, options) {
  for (;;) {
    const answer = await fetch(address, options);
    const text = await answer.text();
    const isTooSlow = [503, 504].includes(answer.status) || (answer.status === 502 && /timed out/.test(text));
    if (!isTooSlow) return { status: answer.status, text, json: () => JSON.parse(text) };
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
