-- Waiting rooms: who arrives gets a number; when the number's turn comes, its user may claim.
-- depends: 0026_audiences

-- As the gate has it. One column, which a process of an older version does not know and leaves alone.
ALTER TABLE coupon
  ADD COLUMN room text CONSTRAINT coupon_room_is_readable CHECK (room ~ '^[1-9][0-9]{0,4} (arrival|lot)$');
COMMENT ON COLUMN coupon.room IS 'The waiting room: how many may claim a second, and by what order; null: there is none.';

-- Another room is another version. After coupon_version_is_of_a_change, in the order of names, which knows no room.
CREATE FUNCTION next_coupon_version() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  NEW.version := coupon_next_number(OLD.version);
  RETURN NEW;
END $$;
CREATE TRIGGER coupon_version_is_of_a_room
  BEFORE UPDATE OF room ON coupon
  FOR EACH ROW WHEN (NEW.room IS DISTINCT FROM OLD.room)
  EXECUTE FUNCTION next_coupon_version();

-- What a room must not lose with Redis. Numbers are given in blocks that are reserved here before: after a loss the
-- next block begins behind every number that was ever given. A row of its own, so that no statement on `coupon` waits.
CREATE TABLE waiting_room (
  coupon_id    bigint PRIMARY KEY REFERENCES coupon,
  ticket_key   text NOT NULL DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  next_number  bigint NOT NULL DEFAULT 0,
  block_start  bigint NOT NULL DEFAULT 0,
  block_holder text NOT NULL DEFAULT '',
  block_after  bigint NOT NULL DEFAULT 0,
  lot_size     bigint CHECK (lot_size >= 0),
  lot_key      text,
  CONSTRAINT lot_has_size_and_key CHECK ((lot_size IS NULL) = (lot_key IS NULL))
) WITH (fillfactor = 50);
COMMENT ON COLUMN waiting_room.ticket_key IS 'Signs the tickets. Whoever has it can make one with any number.';
COMMENT ON COLUMN waiting_room.next_number IS 'Behind every number that is reserved.';
COMMENT ON COLUMN waiting_room.block_holder IS 'For whom the last block was reserved: an image of the gate. Asking again gives the same block.';
COMMENT ON COLUMN waiting_room.lot_size IS 'How many numbers take part in the lot; null: it is not drawn. The key is made when it is drawn, so that nobody can know it before.';

-- Sets the room of a coupon, or takes it away (null). Turns count from the opening, so a room begins before it. Once
-- the coupon has opened, turns can only come earlier: a higher rate, or no room. A draft has not, whenever it starts.
-- out: done, not_found, changed (it has none of the versions), closed, archived, fixed (it opened without a room, or the
--      rate would be lower, or the order another one after the opening or the lot)
CREATE FUNCTION set_waiting_room(of_coupon bigint, wanted text, seen_versions bigint[], by_whom text) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  c        coupon;
  is_drawn boolean;
BEGIN
  SELECT * INTO c FROM coupon WHERE coupon_id = of_coupon FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 'not_found';
  ELSIF seen_versions IS NOT NULL AND c.version <> ALL (seen_versions) THEN
    RETURN 'changed';
  ELSIF c.room IS NOT DISTINCT FROM wanted THEN
    RETURN 'done';
  ELSIF c.admin_state = 'archived' THEN
    RETURN 'archived';
  ELSIF c.state = 'closed' THEN
    RETURN 'closed';
  END IF;
  SELECT lot_size IS NOT NULL INTO is_drawn FROM waiting_room WHERE coupon_id = of_coupon;
  IF wanted IS NOT NULL AND (
       c.issue_starts_at <= clock_timestamp() AND c.admin_state IS DISTINCT FROM 'draft' AND (
         c.room IS NULL
         OR split_part(wanted, ' ', 2) <> split_part(c.room, ' ', 2)
         OR split_part(wanted, ' ', 1)::integer < split_part(c.room, ' ', 1)::integer)
       OR is_drawn AND wanted NOT LIKE '% lot') THEN
    RETURN 'fixed';
  END IF;
  INSERT INTO waiting_room (coupon_id) VALUES (of_coupon) ON CONFLICT (coupon_id) DO NOTHING;
  UPDATE coupon SET room = wanted WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail, changes)
  VALUES (by_whom, 'set waiting room', of_coupon, 'done',
          format('waiting room: %s -> %s', coalesce(c.room, 'none'), coalesce(wanted, 'none')),
          jsonb_build_object('waiting_room', jsonb_build_object('from', c.room, 'to', wanted)));
  RETURN 'done';
END $$;

REVOKE ALL ON FUNCTION set_waiting_room(bigint, text, bigint[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_waiting_room(bigint, text, bigint[], text) TO coupon_api;
GRANT SELECT, UPDATE (next_number, block_start, block_holder, block_after, lot_size, lot_key) ON waiting_room TO coupon_api;
