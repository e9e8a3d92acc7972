# PARQUET: carquet from the folder where tools/deps unpacked it.
ms_feature(PARQUET "Parquet tables (carquet)")
set(ms_found OFF)
ms_feature_result(PARQUET ms_found "Parquet tables, by carquet")
