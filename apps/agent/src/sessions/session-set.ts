/** The sessions that a record matched. One object per distinct set, so that it can be told by identity. */
export interface SessionSet {
  /** UUIDs, 16 bytes each; at least one. */
  readonly sessionIds: readonly Buffer[];
}
