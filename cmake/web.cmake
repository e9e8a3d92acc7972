# PLOT: charts in the report (Observable Plot, bundled by esbuild from what tools/deps fetched).
ms_feature(PLOT "charts in the report (Observable Plot)")
set(ms_found OFF)
ms_feature_result(PLOT ms_found "charts in the report, by Observable Plot")
