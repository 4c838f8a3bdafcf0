-- The vault's own recovery window: values that nothing points to any more are kept for a while.

ALTER TABLE sealed_values
-- Set the first time that metadata says the value is not needed; the bytes are kept until then.
ADD COLUMN erase_at timestamptz,
-- When the vault saw the write of this value fail. Such a value has no window.
ADD COLUMN failed_at timestamptz;

-- Values whose time has come, oldest first, without passing any other.
CREATE INDEX sealed_values_due ON sealed_values (erase_at, namespace, value_id)
WHERE erase_at IS NOT NULL;
