-- Identifies the server process and its data.
-- KEYS[1]  any
-- Returns  a text that is another one after each restart and failover
return identity()
