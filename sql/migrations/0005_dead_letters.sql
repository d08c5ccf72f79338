-- The audit trail of dead letters: what operators did. Rows are only ever added.
-- depends: 0004_re_emission

CREATE TABLE dead_letter_action (
  action_id        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  acted_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  acted_by         text NOT NULL CHECK (length(acted_by) BETWEEN 1 AND 200),
  action           text NOT NULL CHECK (action IN ('replay', 'discard')),
  result           text NOT NULL,
  detail           text NOT NULL DEFAULT '',
  letter_partition integer NOT NULL,
  letter_offset    bigint NOT NULL,
  set_aside_at     timestamptz NOT NULL,
  record_topic     text NOT NULL,
  record_partition integer NOT NULL,
  record_offset    bigint NOT NULL,
  coupon_id        bigint,
  user_id          bigint,
  CONSTRAINT result_of_action CHECK (action = 'replay' AND result IN ('begun', 'written', 'failed')
                                     OR action = 'discard' AND result = 'discarded' AND detail <> '')
);
COMMENT ON COLUMN dead_letter_action.result IS 'A replay is begun before its record is written back, and written or failed afterwards; only begun: cut off in between.';
COMMENT ON COLUMN dead_letter_action.set_aside_at IS 'With the position in the dead-letter topic the key of a dead letter, also after the topic was lost and created again.';

CREATE INDEX dead_letter_action_of_letter ON dead_letter_action (letter_partition, letter_offset, set_aside_at, action_id DESC);

GRANT SELECT, INSERT ON dead_letter_action TO coupon_ops;
