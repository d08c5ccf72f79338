-- Repairs of the change stream: requests are rewritten with all columns of the table, and the publication can be
-- created again.
-- depends: 0008_least_privilege

-- The same as before, but the columns are read from the catalog: columns that Postgres computes must not be
-- inserted, and all others, of later migrations too, keep their values.
-- out: the page's last key (null: there are no more), rows read, rows rewritten
CREATE OR REPLACE FUNCTION cdc_emit_again(
  after_coupon_id bigint, after_user_id bigint, page_size integer,
  OUT last_coupon_id bigint, OUT last_user_id bigint, OUT read_rows bigint, OUT emitted_rows bigint
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $function$
DECLARE
  columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                    WHERE attrelid = 'public.coupon_issue_request'::regclass
                      AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
  EXECUTE format(
    'WITH page AS MATERIALIZED (
       SELECT r.coupon_id, r.user_id,
              EXISTS (SELECT FROM issued_coupon i WHERE i.user_id = r.user_id AND i.coupon_id = r.coupon_id)
              OR EXISTS (SELECT FROM issue_rejection j WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id)
              AS is_final
         FROM coupon_issue_request r
        WHERE (r.coupon_id, r.user_id) > ($1, $2)
        ORDER BY r.coupon_id, r.user_id
        LIMIT $3
     ), taken AS (
       DELETE FROM coupon_issue_request r
        USING page p
        WHERE r.coupon_id = p.coupon_id AND r.user_id = p.user_id AND NOT p.is_final
       RETURNING r.*
     ), republished AS (
       INSERT INTO coupon_issue_request (%1$s) OVERRIDING SYSTEM VALUE SELECT %1$s FROM taken RETURNING 1
     ), last_key AS (
       SELECT coupon_id, user_id FROM page ORDER BY coupon_id DESC, user_id DESC LIMIT 1
     )
     SELECT (SELECT coupon_id FROM last_key), (SELECT user_id FROM last_key),
            (SELECT count(*) FROM page), (SELECT count(*) FROM republished)', columns)
    INTO last_coupon_id, last_user_id, read_rows, emitted_rows
    USING after_coupon_id, after_user_id, page_size;
END
  $function$;

-- Creates the publication if it is missing or wrong. It runs with its owner's rights: the connector's role can
-- correct the publication, and nothing else.
-- out: 'made' or 'corrected'; null: it was right
CREATE FUNCTION cdc_make_publication() RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $function$
DECLARE
  existed boolean := EXISTS (SELECT FROM pg_publication WHERE pubname = 'coupon_cdc');
BEGIN
  IF cdc_publication_is_right() THEN
    RETURN NULL;
  END IF;
  DROP PUBLICATION IF EXISTS coupon_cdc;
  CREATE PUBLICATION coupon_cdc FOR TABLE coupon_issue_request, cdc_heartbeat WITH (publish = 'insert');
  RETURN CASE WHEN existed THEN 'corrected' ELSE 'made' END;
END
  $function$;
REVOKE ALL ON FUNCTION cdc_make_publication() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cdc_make_publication() TO coupon_cdc;

-- Whether the publication has the inserts of both tables, all rows and columns, and nothing else.
CREATE FUNCTION cdc_publication_is_right() RETURNS boolean
  LANGUAGE sql STABLE SET search_path = public, pg_temp
  AS $function$
  SELECT EXISTS (
    SELECT FROM pg_publication p
     WHERE p.pubname = 'coupon_cdc' AND p.pubinsert AND NOT (p.pubupdate OR p.pubdelete OR p.pubtruncate)
       AND NOT p.puballtables AND NOT p.pubviaroot
       AND NOT EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = p.oid)
       AND ARRAY(SELECT r.prrelid::regclass::text FROM pg_publication_rel r
                  WHERE r.prpubid = p.oid AND r.prqual IS NULL AND r.prattrs IS NULL ORDER BY 1)
           = ARRAY['cdc_heartbeat', 'coupon_issue_request'])
  $function$;

-- Restores after which requests may be missing for good. Without this, a later run would call the ledger complete,
-- because its newest heartbeat is younger than the missing requests. For coupon_owner only.
CREATE TABLE incomplete_restore (
  reaches     timestamptz,
  restored_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN incomplete_restore.reaches IS 'up to when the restored ledger had everything; null: unknown';
