/** A priority queue, as a binary heap. */

export interface Heap<T> {
  push(item: T): void;
  pop(): T | undefined;
}

/** An empty queue; `before(a, b)` is true where `a` has to be taken out before `b`. */
export function makeHeap<T>(before: (left: T, right: T) => boolean): Heap<T> {
  const items: T[] = [];
  const swap = (left: number, right: number) => {
    [items[left], items[right]] = [items[right], items[left]];
  };
  const rise = (at: number) => {
    for (let up = (at - 1) >> 1; at > 0 && before(items[at], items[up]); up = (at - 1) >> 1) {
      swap(at, up);
      at = up;
    }
  };
  const sink = (at: number) => {
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let first = at;
      if (left < items.length && before(items[left], items[first])) first = left;
      if (right < items.length && before(items[right], items[first])) first = right;
      if (first === at) return;
      swap(at, first);
      at = first;
    }
  };
  return {
    push(item) {
      items.push(item);
      rise(items.length - 1);
    },
    pop() {
      if (items.length < 2) return items.pop();
      swap(0, items.length - 1);
      const item = items.pop();
      sink(0);
      return item;
    },
  };
}
