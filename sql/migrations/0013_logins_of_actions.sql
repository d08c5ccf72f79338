-- Each row of the audit trails keeps the login that wrote it, besides the name that it was given. Whoever has a login
-- that may act can name anybody; nobody can choose what stands in this column.
-- depends: 0012_rebuild_by_operators

-- First without the default: nobody knows the logins of the rows that are there.
ALTER TABLE operator_action ADD COLUMN login text;
ALTER TABLE operator_action ALTER COLUMN login SET DEFAULT session_user;
ALTER TABLE dead_letter_action ADD COLUMN login text;
ALTER TABLE dead_letter_action ALTER COLUMN login SET DEFAULT session_user;
COMMENT ON COLUMN operator_action.login IS 'The role that was logged in to Postgres; null: from before it was kept.';
COMMENT ON COLUMN dead_letter_action.login IS 'The role that was logged in to Postgres; null: from before it was kept.';

REVOKE INSERT ON dead_letter_action FROM coupon_ops;
GRANT INSERT (acted_by, action, result, detail, letter_partition, letter_offset, set_aside_at, record_topic,
              record_partition, record_offset, coupon_id, user_id) ON dead_letter_action TO coupon_ops;
