import { SLOT_COUNT } from '@synscope/probe-wire';

/** Gives slots out round robin, so that each rests as long as it can before it is used again. */
export class SlotRotation {
  private next = 0;

  /** Undefined if all are held. */
  free(held: readonly (number | undefined)[]): number | undefined {
    for (let i = 0; i < SLOT_COUNT; i++) {
      const slot = (this.next + i) % SLOT_COUNT;
      if (!held.includes(slot)) return slot;
    }
    return undefined;
  }

  taken(slot: number): void {
    this.next = (slot + 1) % SLOT_COUNT;
  }
}
